"""Positions that outlive a process."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import NamedTuple
from urllib.parse import SplitResult

from .close_policy import read_object
from .frames import write_json
from .position import Position, parse_position
from .positions import Positions

Storage = MutableMapping[str, str]
"""Where they are kept: a `shelve`, a file of one's own. One that raises, or holds something else, is taken for empty."""

_MAX_TOPICS = 2000
"""Most topics that are kept: twice what a connection can have. Those that moved last stay."""


class Owner(NamedTuple):
    """Whose positions they are."""

    user_id: str
    """As the gateway calls the user."""
    subject: str | None
    """Whom the user's token is about; None when it does not say."""


class PositionKeeper:
    """The positions that one client keeps, under one key for each gateway."""

    def __init__(self, storage: Storage, url: SplitResult) -> None:
        self._storage = storage
        self._key = f"portcullis {url.netloc.rpartition('@')[2]}{url.path}"

    def load(self) -> tuple[Owner, Mapping[str, Position]] | None:
        """None: there are none."""
        try:
            kept = read_object(self._storage.get(self._key) or "")
        except Exception:
            return None
        user_id, subject, positions = kept.get("user_id"), kept.get("subject"), kept.get("positions")
        if not isinstance(user_id, str) or not isinstance(positions, dict):
            return None
        known = {topic: position for topic, text in positions.items() if (position := parse_position(text)) is not None}
        return Owner(user_id, subject if isinstance(subject, str) else None), known

    def save(self, owner: Owner, positions: Positions) -> None:
        kept = [(topic, since) for topic in positions.topics() if (since := positions.since(topic)) is not None]
        text = write_json({"user_id": owner.user_id, "subject": owner.subject, "positions": dict(kept[-_MAX_TOPICS:])})
        try:
            self._storage[self._key] = text
        except Exception:
            # It is full or forbidden. With what stood there the next process would hear events again.
            try:
                self._storage.pop(self._key, None)
            except Exception:
                pass

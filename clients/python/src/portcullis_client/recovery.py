"""What was missed: asked for, told, and kept from an application that has had it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult

from .clock import Clock
from .frames import MAX_FRAME_BYTES, Frame, write_json
from .position import Position, parse_position
from .position_storage import Owner, PositionKeeper, Storage
from .positions import Positions
from .seen_ids import SeenIds
from .token_claims import read_subject
from .topics import kind_of, star_of, to_topics

_OTHER_BYTES = 16_384
"""Room for what a frame holds beside `since`."""

Told = Callable[[dict[str, Any]], None]


def _own_topic(user_id: str) -> str:
    return f"user:{user_id}"


def _listed(frame: Frame) -> list[str]:
    return to_topics(frame["agent_ids"], frame["task_ids"])


def _object_of(frame: Frame, name: str) -> Mapping[str, Any]:
    value = frame.get(name)
    return value if isinstance(value, dict) else {}


class Recovery:
    """`on_recovered` is told whether the application gets all that it missed, by topic: of topics that were listened to before, and with a
    storage of all, as the process before may have listened to them. `on_gap`: events of these topics may be missing although the
    connection stood.
    """

    def __init__(self, storage: Storage | None, url: SplitResult, clock: Clock, on_recovered: Told, on_gap: Told) -> None:
        self._keeper = None if storage is None else PositionKeeper(storage, url)
        self._on_recovered = on_recovered
        self._on_gap = on_gap
        kept = None if self._keeper is None else self._keeper.load()
        self._owner = None if kept is None else kept[0]
        self._positions = Positions({} if kept is None else kept[1], clock)
        self._ids = SeenIds(clock)
        self._is_saving = False
        # Whom the token of this connection is about, and whether its address asked for the user's own topic.
        self._subject: str | None = None
        self._asks_own = False
        self._has_history = False
        # Most bytes that `since` of a `*` may have.
        self._max_since_bytes = 0
        # What this connection has been asked for, by topic: its `last`, 0 without. And what it has.
        self._asked: dict[str, int] = {}
        self._live: dict[str, None] = {}

    def open(self, token: str) -> str | None:
        """A connection is about to be opened with a token: from where the user's own topic goes on; None: from now."""
        self._has_history = False
        self._subject = read_subject(token)
        owner = self._owner
        is_owner = owner is not None and self._subject is not None and owner.subject == self._subject
        since = self._positions.since(_own_topic(owner.user_id)) if owner is not None and is_owner else None
        self._asks_own = since is not None
        return since

    def recall(self, topics: Sequence[str], last: int | None) -> dict[str, Any]:
        """What to ask for topics in a frame that is sent now. `last` counts where all are listened to for the first time."""
        since = self._since_of(topics) if self._has_history else {}
        others = [topic for topic in topics if topic not in since]
        is_first = bool(others) and not any(map(self._positions.has, others)) and not any(map(self._is_asked, topics))
        asks_last = last if self._has_history and is_first else None
        for topic in topics:
            self._asked.setdefault(topic, asks_last or 0)
        return {**({"since": since} if since else {}), **({} if asks_last is None else {"last": asks_last})}

    def refused(self, topics: Iterable[str]) -> None:
        """The frame that asked for these was refused."""
        for topic in topics:
            if topic not in self._live:
                self._asked.pop(topic, None)

    def receive(self, frame: Frame) -> bool:
        """Takes each frame of the connection; False: the application is not to hear this one."""
        kind = frame["type"]
        if kind == "event":
            return self._is_news(frame)
        if kind == "welcome":
            self._welcome(frame)
        elif kind == "subscribed":
            self._subscribed(frame)
        elif kind == "unsubscribed":
            self._left(_listed(frame))
        elif kind == "gap":
            self._gap(frame["topics"])
        elif kind == "positions":
            for topic, text in frame["topics"].items():
                self._move(topic, parse_position(text), text)
        return bool(kind != "gap")

    def forget(self, topics: Iterable[str]) -> None:
        """They are no longer listened to; `agent:*` stands for all of its kind."""
        self.drop([one for topic in topics for one in ([topic, *self._of_kind(topic)] if topic == star_of(topic) else [topic])])

    def drop(self, topics: Iterable[str]) -> None:
        """They were asked for in vain: exactly these, so `agent:*` leaves alone what else is listened to of its kind."""
        topics = list(topics)
        for topic in topics:
            self._asked.pop(topic, None)
        self._left(topics)

    def closed(self) -> None:
        """The connection is over."""
        self._positions.closed(self._live)
        self._live.clear()
        self._asked.clear()

    def _left(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self._positions.forget(topic)
            self._live.pop(topic, None)
        self._save()

    def _of_kind(self, star: str) -> list[str]:
        return [topic for topic in self._positions.topics() if topic != star and topic.startswith(kind_of(star))]

    def _is_asked(self, topic: str) -> bool:
        """The connection has it, or was asked for it; of `*`: something of the kind."""
        if topic == star_of(topic):
            return any(kind_of(one) == kind_of(topic) for one in self._asked)
        return topic in self._asked

    def _since_of(self, topics: Iterable[str]) -> dict[str, str]:
        """A list that is too long can be sent in parts; a `*` cannot, so what does not fit is left out."""
        since: dict[str, str] = {}
        used = 0
        for topic in topics:
            is_star = topic == star_of(topic)
            for one in self._of_kind(topic) if is_star else [topic]:
                position = None if one in self._asked else self._positions.since(one)
                if position is None:
                    continue
                used += len(write_json({one: position}))
                if not is_star or used <= self._max_since_bytes:
                    since[one] = position
        return since

    def _welcome(self, frame: Frame) -> None:
        self._ids.keep_for(frame.get("history_s"))
        own, before = _own_topic(frame["user_id"]), self._owner
        if before is not None and before.user_id != frame["user_id"]:
            self._positions.disown()
            self._positions.forget(_own_topic(before.user_id))
        self._owner = Owner(frame["user_id"], self._subject)
        self._has_history = isinstance(frame.get("positions"), dict)
        self._max_since_bytes = min(frame["limits"].get("frame_bytes", 0), MAX_FRAME_BYTES) - _OTHER_BYTES
        self._begin([own], _object_of(frame, "positions"), {own: self._asks_own and frame.get("recovered") is True})

    def _subscribed(self, frame: Frame) -> None:
        positions, recovered = _object_of(frame, "positions"), _object_of(frame, "recovered")
        unheard = [topic for topic in _listed(frame) if topic not in self._live]
        # With `*`, what is no longer visible has an answer and no position.
        self._begin(dict.fromkeys([*unheard, *positions, *recovered]), positions, recovered)
        for star in [topic for topic in self._asked if topic == star_of(topic)]:
            self._asked[star] = 0
            self._positions.begin(star, None, 0)

    def _begin(self, topics: Iterable[str], positions: Mapping[str, Any], recovered: Mapping[str, Any]) -> None:
        """The connection has these from now on. Tells those of them that the application may have had before."""
        told: dict[str, bool] = {}
        for topic in topics:
            at = parse_position(positions.get(topic))
            is_known = self._keeper is not None or self._positions.has(topic) or self._positions.has(star_of(topic))
            goes_on = recovered.get(topic) is True and self._positions.go_on(topic, at)
            if not goes_on:
                self._positions.begin(topic, at, self._asked.get(topic, self._asked.get(star_of(topic), 0)))
            if is_known:
                told[topic] = goes_on
            self._live[topic] = None
            self._asked[topic] = 0
        self._save()
        if told:
            self._on_recovered({"topics": told})

    def _gap(self, topics: Mapping[str, Any]) -> None:
        known = {topic: position for topic, position in topics.items() if self._positions.has(topic)}
        for topic, position in known.items():
            self._positions.begin(topic, parse_position(position), 0)
        self._save()
        if known:
            self._on_gap({"type": "gap", "topics": known})

    def _is_news(self, frame: Frame) -> bool:
        """False: the application has had it."""
        at, event_id = parse_position(frame.get("pos")), frame.get("id")
        if at is not None and not self._move(frame["topic"], at, str(Position(at.epoch, at.offset - 1))):
            return False
        return not isinstance(event_id, str) or self._ids.is_new(frame["topic"], event_id, frame.get("ts"))

    def _move(self, topic: str, to: Position | None, gap_at: str) -> bool:
        """False: the position is there already. Another numbering that was not announced is a gap, whose position is `gap_at`."""
        if to is None or not self._positions.has(topic):
            return True
        move = self._positions.move(topic, to)
        if move == "had":
            return False
        self._save()
        if move == "other epoch":
            self._on_gap({"type": "gap", "topics": {topic: gap_at}})
        return True

    def _save(self) -> None:
        """After the application has heard what moved the positions: what it has not heard must come again in the next process."""
        if self._keeper is None or self._is_saving:
            return
        self._is_saving = True
        asyncio.get_running_loop().call_soon(self._save_now)

    def _save_now(self) -> None:
        self._is_saving = False
        if self._keeper is not None and self._owner is not None:
            self._keeper.save(self._owner, self._positions)

"""Names of the events that the application wants, and how the gateway is told."""

from __future__ import annotations

from collections.abc import Sequence

from .frames import Ids


class EventTypes:
    """`max_ids`: what a list may hold, as long as no gateway has told."""

    def __init__(self, initial: Ids, max_ids: int) -> None:
        self._names = initial
        self._longest = max_ids
        self._is_suspect = False
        self._is_told = True
        """The gateway knows."""

    def confirm(self, names: Ids) -> None:
        """The application has narrowed or widened them, and the gateway has confirmed it."""
        self._names, self._is_told = names, True

    def in_address(self) -> Ids:
        """What the next attempt names in its address; `*`: nothing. Names that may be too many, or too long for a request's head, go by a
        frame instead."""
        self._is_told = self._names == "*" or (not self._is_suspect and len(self._names) <= self._longest)
        return self._names if self._is_told else "*"

    def note_unexplained(self) -> None:
        """An attempt ended before `welcome`, and nothing said why: the names may have been the reason."""
        self._is_suspect = True

    def greeted(self, max_ids: int) -> bool:
        """`welcome` came. False: there are more names than this gateway takes."""
        self._longest = max_ids
        return self._names == "*" or len(self._names) <= max_ids

    def owed(self) -> Sequence[str] | None:
        """What a frame must tell the gateway now; None: it knows."""
        return None if self._is_told or self._names == "*" else self._names

    def takes(self, event: object) -> bool:
        """False: the gateway was not told yet, and this event is not wanted."""
        return self._is_told or self._names == "*" or event in self._names

"""How far the application is in each topic that it listens to; a topic may be known without a position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from .clock import Clock
from .position import Position

Move = Literal["moved", "had", "other epoch"]
"""What a position makes of one that comes: it moves on, it was there before, or the numbering is another."""

_LAST_MS = 10_000
"""On a connection that stood for this long, what `last` asked for has come, or there was nothing."""


class _Place(NamedTuple):
    position: Position
    begins: int | None
    """The application has what is up to here, and what is between is still to come, if it is kept. None: it has all."""
    began_at_ms: float

    @property
    def reached(self) -> Position:
        return self.position if self.begins is None else Position(self.position.epoch, self.begins)


class Positions:
    def __init__(self, known: Mapping[str, Position], clock: Clock) -> None:
        self._clock = clock
        self._places: dict[str, _Place | None] = {}
        for topic, position in known.items():
            self._set(topic, position)

    def has(self, topic: str) -> bool:
        return topic in self._places

    def topics(self) -> list[str]:
        """Those that moved last come last."""
        return list(self._places)

    def since(self, topic: str) -> str | None:
        """What to ask from; None: the position is not known."""
        place = self._places.get(topic)
        return None if place is None else str(place.reached)

    def begin(self, topic: str, at: Position | None, last: int) -> None:
        """Live events begin at a position, after the newest `last` events before it. None: the gateway tells none."""
        self._set(topic, at, None if at is None or last == 0 else max(0, at.offset - last))

    def go_on(self, topic: str, at: Position | None) -> bool:
        """All after the own position is to follow, and live events begin at `at`. False: that contradicts the own position."""
        place = self._places.get(topic)
        if place is None:
            return False
        if at is not None and (at.epoch != place.position.epoch or at.offset < place.reached.offset):
            return False
        self._set(topic, place.position, place.begins)
        return True

    def move(self, topic: str, to: Position) -> Move:
        place = self._places.get(topic)
        is_other = place is not None and place.position.epoch != to.epoch
        if place is not None and not is_other and to.offset <= place.reached.offset:
            return "had"
        self._set(topic, to)
        return "other epoch" if is_other else "moved"

    def forget(self, topic: str) -> None:
        self._places.pop(topic, None)

    def disown(self) -> None:
        """They were another user's: the topics stay, their positions do not."""
        self._places = dict.fromkeys(self._places)

    def closed(self, topics: Iterable[str]) -> None:
        """The connection that had these is over."""
        for topic in topics:
            place = self._places.get(topic)
            if place is not None and place.begins is not None and self._clock.now() - place.began_at_ms >= _LAST_MS:
                self._set(topic, place.position)

    def _set(self, topic: str, position: Position | None, begins: int | None = None) -> None:
        self._places.pop(topic, None)
        self._places[topic] = None if position is None else _Place(position, begins, self._clock.now())

"""Ids that publishers gave to events."""

from __future__ import annotations

from datetime import datetime, timezone
from math import nan
from typing import NamedTuple

from .close_policy import read_duration
from .clock import Clock

_MAX_IDS = 10_000
"""Most ids that are remembered; the oldest go first."""
_MAX_TIMES = 4
"""Most times of publication that are remembered of one id: it has more than one only where a clock was set."""
_KEEP_S = 300.0
"""Of a gateway that has not said how long it knows them."""


def parse_time_ms(text: object) -> float:
    """Reads ISO 8601, in ms since 1970; not a number for what is none."""
    try:
        time = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
        return (time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)).timestamp() * 1000
    except (ValueError, OverflowError):
        return nan


class _Seen(NamedTuple):
    times_ms: tuple[float, ...]
    seen_at_ms: float


class SeenIds:
    """Remembers ids for as long as the gateway, by the publisher's clock, as it does, and by the own one, as the publisher's may be set:
    a retry of a publication whose first copy the gateway has lost comes within that time, and later the same id may be another event's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keep_ms = _KEEP_S * 1000
        self._seen: dict[tuple[str, str], _Seen] = {}

    def keep_for(self, seconds: object) -> None:
        """The gateway knows ids for this time; what is no time leaves it as it was."""
        self._keep_ms = (read_duration(seconds) or self._keep_ms / 1000) * 1000

    def is_new(self, topic: str, event_id: str, ts: object) -> bool:
        """False: the topic had an event of this id. `ts`: when it was published."""
        at_ms, key = parse_time_ms(ts), (topic, event_id)
        before = self._seen[key].times_ms if key in self._seen else ()
        # A clock that is set forth and back makes the newest time the one that is far away.
        if any(abs(at_ms - time_ms) <= self._keep_ms for time_ms in before):
            return False
        self._seen.pop(key, None)
        self._seen[key] = _Seen((*before, at_ms)[-_MAX_TIMES:], self._clock.now())
        self._forget_old(at_ms)
        return True

    def _forget_old(self, at_ms: float) -> None:
        # A retry may be published at the end of that time, and be kept for as long again before it is delivered.
        forget_ms, now_ms = 2 * self._keep_ms, self._clock.now()
        while self._seen:
            oldest = next(iter(self._seen))
            times_ms, seen_at_ms = self._seen[oldest]
            is_old = at_ms - times_ms[-1] > forget_ms and now_ms - seen_at_ms > forget_ms
            if len(self._seen) <= _MAX_IDS and not is_old:
                break
            del self._seen[oldest]

"""When the next attempt may be made."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from .clock import MAX_TIMER_MS, Clock
from .close_policy import Ending


@dataclass(frozen=True)
class Backoff:
    """`base_ms`: upper end of the first random wait; it doubles with every failure after, up to `cap_ms`."""

    base_ms: float = 1000
    cap_ms: float = 30_000


def reconnect_delay_ms(told_ms: float, is_spread: bool, failures: int, backoff: Backoff, random: float) -> int:
    """Never less than what was told, and after that exponential back-off with full jitter, so that clients that lost one server do not
    meet again at the next. `is_spread`: the gateway has spread its clients over the time already: exactly then.
    """
    window_ms = 0 if is_spread else min(backoff.cap_ms, backoff.base_ms * 2 ** min(failures, 30))
    return ceil(min(MAX_TIMER_MS, told_ms + random * window_ms))


class RetryClock:
    """By the failures so far, and by what the gateway has told. Times are monotonic."""

    def __init__(self, backoff: Backoff, stable_ms: float, clock: Clock) -> None:
        self._backoff = backoff
        self._stable_ms = stable_ms
        self._clock = clock
        self._failures = 0
        self._opened_at_ms = inf
        self._reconnect_at_ms: float | None = None
        """When the last `closing` frame allows to come back; None once an attempt was made."""

    def attempted(self) -> None:
        """An attempt is made: what was told before it counts no more."""
        self._reconnect_at_ms = None

    def opened(self) -> None:
        """The gateway said `welcome`."""
        self._opened_at_ms = self._clock.now()

    def told(self, after_ms: float) -> None:
        """The gateway said `closing`, and allows to come back after that."""
        self._reconnect_at_ms = self._clock.now() + max(0.0, after_ms)

    def ended(self) -> None:
        """A connection or an attempt is over. One that stood for `stable_ms` ends the row of failures."""
        if self._clock.now() - self._opened_at_ms >= self._stable_ms:
            self._failures = 0
        self._opened_at_ms = inf

    def next_delay_ms(self, because: Ending) -> int:
        """The wait before the next attempt, which counts as one more failure until it has stood."""
        closing_ms = 0.0 if self._reconnect_at_ms is None else max(0.0, self._reconnect_at_ms - self._clock.now())
        told_ms = max(closing_ms, because.retry_after_ms or 0.0)
        delay_ms = reconnect_delay_ms(told_ms, closing_ms > 0, self._failures, self._backoff, self._clock.random())
        self._failures += 1
        return delay_ms

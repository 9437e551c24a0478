"""Replaces the token of one connection before it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from math import inf, isnan
from typing import Any

from .clock import MAX_TIMER_MS, Clock
from .errors import RequestError
from .seen_ids import parse_time_ms
from .token_claims import read_claims

_WARNED_BEFORE_MS = 30_000
"""Most ms before a token's end at which a gateway sends `expiring`."""
_LEAST_MS = 1000
"""A token that lives for seconds is not replaced more often than this."""
_RETRY_CAP_MS = 30_000


class TokenLife:
    """Says how long a token still lives, by the gateway's clock and the time that has passed since: never by the clock of this machine.

    `time`: of the gateway's clock at this moment, from `welcome`; gateways that do not tell it: then a token counts as new when it is
    presented, and `expiring` comes in time for one that is not.
    """

    def __init__(self, time: object, clock: Clock) -> None:
        self._clock = clock
        self._gateway_ms = parse_time_ms(time)
        self._received_at_ms = clock.now()

    def left_ms(self, token: str, expires_at: object) -> float | None:
        """Until the end that the gateway told for this token, below 0 when it is over; None when neither says anything."""
        left_ms = parse_time_ms(expires_at) - self._gateway_ms - (self._clock.now() - self._received_at_ms)
        if not isnan(left_ms):
            return left_ms
        claims = read_claims(token)
        exp, iat = claims.get("exp"), claims.get("iat")
        return (exp - iat) * 1000 if isinstance(exp, (int, float)) and isinstance(iat, (int, float)) else None


class TokenRefresh:
    """`ask` gives a token or None. `present` shows it to the gateway, and gives its end as the gateway tells it. `start` runs work in the
    background.
    """

    def __init__(
        self,
        *,
        token: str,
        time: object,
        before_ms: float,
        clock: Clock,
        ask: Callable[[], Awaitable[str | None]],
        present: Callable[[str], Awaitable[object]],
        on_token: Callable[[str], None],
        on_signed_out: Callable[[], None],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._life = TokenLife(time, clock)
        self._current = token
        self._before_ms = before_ms
        self._clock = clock
        self._ask = ask
        self._present = present
        self._on_token = on_token
        self._on_signed_out = on_signed_out
        self._start = start
        self._cancel: Callable[[], None] = lambda: None
        self._due_at_ms = inf
        self._is_busy = False
        self._is_stopped = False
        self._failures = 0

    def plan_before(self, expires_at: object) -> None:
        """Replaces the token in time before this end."""
        left_ms = self._life.left_ms(self._current, expires_at)
        # The gateway took it within its tolerance, or says nothing that can be read: its warning comes in time.
        if left_ms is not None and left_ms > 0:
            self._plan(max(_LEAST_MS, left_ms - min(self._before_ms, left_ms / 2)))

    def warn(self, expires_at: object) -> None:
        """The gateway warns that the token ends."""
        if self._is_busy or self._is_stopped:
            return
        # Its replacement is put off already: each token of this source is over as it comes.
        if self._is_over(expires_at) and self._due_at_ms < inf:
            return
        left_ms = self._life.left_ms(self._current, expires_at) or 0
        in_ms = max(_LEAST_MS, min(_WARNED_BEFORE_MS, left_ms) / 2)
        if self._clock.now() + in_ms < self._due_at_ms:
            self._plan(in_ms)

    def stop(self) -> None:
        self._is_stopped = True
        self._cancel()

    def _plan(self, in_ms: float) -> None:
        self._cancel()
        self._due_at_ms = self._clock.now() + in_ms
        self._cancel = self._clock.after(min(in_ms, MAX_TIMER_MS), self._due)

    def _due(self) -> None:
        left_ms = self._due_at_ms - self._clock.now()
        # What is longer than a timer takes is waited for in parts. A timer may also fire a moment early.
        if left_ms > 1:
            self._plan(left_ms)
        else:
            self._start(self._run())

    def _plan_retry(self, told_ms: float) -> None:
        self._plan(max(told_ms, min(_RETRY_CAP_MS, _LEAST_MS * 2 ** min(self._failures, 10))))
        self._failures += 1

    def _is_over(self, expires_at: object) -> bool:
        """A source whose tokens are over as they come is asked ever more seldom."""
        left_ms = self._life.left_ms(self._current, expires_at)
        return left_ms is not None and left_ms <= _LEAST_MS

    async def _run(self) -> None:
        self._is_busy, self._due_at_ms = True, inf
        try:
            await self._replace()
        except Exception as error:
            # The old token is in force until it ends, and the gateway ends the connection then.
            if not self._is_stopped:
                self._plan_retry((error.retry_after_ms if isinstance(error, RequestError) else None) or 0)
        finally:
            self._is_busy = False

    async def _replace(self) -> None:
        following = await self._ask()
        if self._is_stopped:
            return
        if following is None:
            return self._on_signed_out()
        # The source has no newer one yet: to present the same again would change nothing.
        if following == self._current:
            return self._plan_retry(0)
        expires_at = await self._present(following)
        if self._is_stopped:
            return
        self._current = following
        self._on_token(following)
        if self._is_over(expires_at):
            return self._plan_retry(0)
        self._failures = 0
        self.plan_before(expires_at)

"""Time and chance as the client has them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Protocol

MAX_TIMER_MS = 2_147_483_647
"""The longest wait, in ms."""

Cancel = Callable[[], None]


class Clock(Protocol):
    """Time and chance; a test gives its own."""

    def now(self) -> float:
        """Monotonic, in ms."""
        ...

    def after(self, ms: float, call: Callable[[], None]) -> Cancel:
        """Calls back once, after `ms`. Returns what calls it off."""
        ...

    def random(self) -> float:
        """0 or more, below 1."""
        ...


class SystemClock:
    """The clock of this machine and the running event loop."""

    def now(self) -> float:
        return time.monotonic() * 1000

    def after(self, ms: float, call: Callable[[], None]) -> Cancel:
        return asyncio.get_running_loop().call_later(min(MAX_TIMER_MS, ms) / 1000, call).cancel

    def random(self) -> float:
        return random.random()


async def pause(clock: Clock, ms: float, over: asyncio.Future[None] | None = None) -> None:
    """Waits `ms`, at most until what it belongs to is over."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(_over: object = None) -> None:
        if not done.done():
            done.set_result(None)

    cancel = clock.after(ms, end)
    if over is not None:
        over.add_done_callback(end)
    try:
        await done
    finally:
        cancel()
        if over is not None:
            over.remove_done_callback(end)

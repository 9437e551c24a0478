"""Events as an asynchronous iterator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Union, cast

from .close_policy import Ending
from .errors import ClientClosed, RequestError
from .frames import EventFrame

_End = Union[ClientClosed, RequestError, StopAsyncIteration]


class EventStream:
    """Gives events in their order, from the moment at which it was made.

    It ends with `close()` of the client, with `ClientClosed` when the client ended otherwise, and with a `RequestError` `queue_full` after
    `max_unread` events that the application has left unread: a stream that dropped some of them would say nothing of a loss.
    """

    def __init__(self, max_unread: int) -> None:
        self._max_unread = max_unread
        self._removals: list[Callable[[], None]] = []
        self._waiting: asyncio.Queue[EventFrame | _End] = asyncio.Queue()
        self._is_over = False

    def feeds_on(self, remove: Callable[[], None]) -> None:
        """What takes away a listener that feeds it."""
        self._removals.append(remove)

    def put(self, event: object) -> None:
        """One more event has come."""
        if self._waiting.qsize() >= self._max_unread:
            self._end(RequestError("queue_full", f"{self._max_unread} events wait to be read"))
        elif not self._is_over:
            self._waiting.put_nowait(cast(EventFrame, event))

    def closed(self, because: Ending) -> None:
        """No event will come any more."""
        self._end(StopAsyncIteration() if because.name == "closed" else ClientClosed(because))

    def _end(self, end: _End) -> None:
        if not self._is_over:
            self._is_over = True
            for remove in self._removals:
                remove()
            self._waiting.put_nowait(end)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> EventFrame:
        one = await self._waiting.get()
        if isinstance(one, BaseException):
            # The next question has the same answer.
            self._waiting.put_nowait(one)
            raise one
        return one

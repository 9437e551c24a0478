"""Gives a new connection all that is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .close_policy import is_final
from .errors import RequestError
from .frames import Frame
from .recovery import Recovery
from .topics import halve, to_filter_lists
from .wanted import Wanted

_MAX_HALVINGS = 12
"""Most frames sent to find the denied ids: each counts as a message."""
_MAX_WAITS = 10
"""Waits that the gateway may ask for before the connection is given up."""

Ask = Callable[..., Awaitable[Frame]]
Denied = Callable[[dict[str, Any]], None]


@dataclass
class Resubscription:
    """`last`: what is asked for on the first visit. `pause` waits ms, at most until the connection has ended."""

    wanted: Wanted
    recovery: Recovery
    last: int | None
    max_ids: int
    ask: Ask
    on_denied: Denied
    pause: Callable[[float], Awaitable[None]]

    async def run(self) -> None:
        """One frame after the other. What is denied is told, and not wanted any more; all else is confirmed when this returns. Raises when
        the connection ends first, or does not answer.
        """
        self._chunks = self.wanted.chunks(self.max_ids)
        self._halvings = self._waits = 0
        while self._chunks:
            # Meanwhile the application may have left some.
            topics = [topic for topic in self._chunks.pop(0) if self.wanted.has(topic)]
            if not topics:
                continue
            try:
                await self.ask(
                    {"type": "subscribe", **to_filter_lists(topics)},
                    more=lambda topics=topics: self.recovery.recall(topics, self.last),
                    on_answer=self._confirm,
                )
            except RequestError as error:
                await self._settle(topics, error)

    def _confirm(self, answer: Frame) -> None:
        if answer["type"] == "subscribed":
            self.wanted.confirm(answer)

    async def _settle(self, topics: list[str], error: RequestError) -> None:
        self.recovery.refused(topics)
        # Perhaps the gateway keeps less than that, or nothing: better the topics without their last events than no topics.
        if error.reason == "bad_request" and self.last is not None:
            self.last = None
            self._chunks.insert(0, topics)
        elif is_final(error.reason):
            self._find_denied(topics, error.reason)
        elif error.retry_after_ms is None or self._waits >= _MAX_WAITS:
            raise error
        else:
            self._waits += 1
            self._chunks.insert(0, topics)
            await self.pause(error.retry_after_ms)

    def _find_denied(self, topics: list[str], reason: str) -> None:
        if len(topics) > 1 and (reason == "frame_too_large" or self._halvings < _MAX_HALVINGS):
            self._halvings += reason != "frame_too_large"
            self._chunks[:0] = halve(topics)
            return
        self.wanted.drop(topics)
        self.recovery.forget(topics)
        self.on_denied({"topics": topics, "reason": reason})

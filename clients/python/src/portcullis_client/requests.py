"""Requests and their answers, by id, over all connections of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .clock import Cancel, Clock
from .close_policy import read_duration
from .errors import RequestError
from .frames import MAX_FRAME_BYTES, Frame, write_json
from .request_ids import create_ids

RequestKind = Literal["once", "repeatable", "now"]
"""`once` waits for a connection, and fails when that ends before the answer; `repeatable` is sent again then; `now` belongs to this
connection, passes those that wait, and fails without one."""

_MAX_PENDING_CHARS = 8_388_608
"""Text that may wait for answers, whatever the number of requests; a single one may be larger."""


class Outlet(Protocol):
    """A connection that can be written to."""

    def send(self, text: str) -> None: ...


@dataclass
class _Request:
    id: str
    chars: int
    write: Callable[[], str]
    kind: RequestKind
    on_answer: Callable[[Frame], None]
    cancel: Cancel
    answer: asyncio.Future[Frame]
    is_sent: bool = False


def _to_error(frame: Frame) -> RequestError:
    error = str(frame.get("error"))
    return RequestError(error, str(frame.get("message", error)), read_duration(frame.get("retry_after_ms")))


class Requests:
    """Everything asked is settled by the answer, the time limit or the end. What is asked is kept until then, as a repeatable request is
    sent again on the next connection."""

    def __init__(self, max_pending: int, timeout_ms: float, clock: Clock) -> None:
        self._max_pending = max_pending
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._ids = create_ids(clock.random)
        self._pending: dict[str, _Request] = {}
        self._chars = 0
        self._outlet: Outlet | None = None
        self._max_frame_bytes = 0
        self._is_released = False
        self._is_ended = False

    def ask(
        self,
        frame: dict[str, Any],
        kind: RequestKind,
        *,
        request_id: str | None = None,
        more: Callable[[], dict[str, Any]] = dict,
        on_answer: Callable[[Frame], None] = lambda _answer: None,
    ) -> asyncio.Future[Frame]:
        """Asks now; the future has the answer, or a `RequestError`.

        `more`: what the frame holds beside, as it is when the frame is sent, or sent again on another connection. `on_answer` is told of
        the answer before the next frame is read; not of a refusal.
        """
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        request_id = next(self._ids) if request_id is None else request_id
        if request_id in self._pending:
            answer.set_exception(RequestError("bad_request", "id: a request with it waits for its answer"))
            return answer
        try:
            chars = len(write_json({**frame, "id": request_id}))
        except (ValueError, TypeError, RecursionError):
            answer.set_exception(RequestError("bad_request", "data: no JSON"))
            return answer
        refused = self._refusal(kind, chars)
        if refused is not None:
            answer.set_exception(refused)
            return answer
        cancel = self._clock.after(self._timeout_ms, lambda: self._fail(request_id, "timeout", f"no answer within {self._timeout_ms:g} ms"))
        request = _Request(
            request_id, chars, lambda: write_json({**frame, **more(), "id": request_id}), kind, on_answer, cancel, answer
        )
        self._pending[request_id] = request
        self._chars += chars
        if kind == "now" or self._is_released:
            self._write(request)
        return answer

    def attach(self, outlet: Outlet, max_frame_bytes: int) -> None:
        """A connection is there, for `now` only."""
        self._outlet, self._max_frame_bytes = outlet, max_frame_bytes

    def release(self) -> None:
        """The connection is as the application left it: what waited goes out, in the order in which it was asked."""
        self._is_released = True
        for request in list(self._pending.values()):
            if not request.is_sent:
                self._write(request)

    def detach(self) -> None:
        """The connection is gone."""
        self._outlet, self._is_released = None, False
        for request in list(self._pending.values()):
            if request.kind == "repeatable":
                request.is_sent = False
            elif request.is_sent:
                self._fail(request.id, "connection_lost", "the connection ended before the answer")

    def answer(self, frame: Frame) -> None:
        """Takes an answer, if it is one. The `id` of an event is its publisher's."""
        request = self._take(frame.get("id")) if frame["type"] != "event" else None
        if request is None:
            return
        if frame["type"] != "error":
            request.on_answer(frame)
            if not request.answer.done():
                request.answer.set_result(frame)
        elif not request.answer.done():
            request.answer.set_exception(_to_error(frame))

    def end(self) -> None:
        """No connection will come any more."""
        self._is_ended = True
        for request_id in list(self._pending):
            self._fail(request_id, "closed", "the client was closed")

    def _refusal(self, kind: RequestKind, chars: int) -> RequestError | None:
        if self._is_ended:
            return RequestError("closed", "the client is closed")
        if kind == "now":
            return RequestError("connection_lost", "no connection") if self._outlet is None else None
        is_full = len(self._pending) >= self._max_pending or (self._chars > 0 and self._chars + chars > _MAX_PENDING_CHARS)
        return RequestError("queue_full", f"{len(self._pending)} requests wait for their answers") if is_full else None

    def _write(self, request: _Request) -> None:
        if self._outlet is None:
            return
        text = request.write()
        max_bytes = self._max_frame_bytes if request.kind == "once" else min(self._max_frame_bytes, MAX_FRAME_BYTES)
        # The text is ASCII. The gateway would end the connection for good: a request too large fails alone.
        if len(text) > max_bytes:
            return self._fail(request.id, "frame_too_large", f"the gateway takes {max_bytes} bytes")
        request.is_sent = True
        self._outlet.send(text)

    def _take(self, request_id: object) -> _Request | None:
        """Takes it out to settle it; None: it was settled before, or never asked."""
        request = self._pending.pop(request_id, None) if isinstance(request_id, str) else None
        if request is not None:
            self._chars -= request.chars
            request.cancel()
        return request

    def _fail(self, request_id: str, reason: str, message: str) -> None:
        request = self._take(request_id)
        if request is not None and not request.answer.done():
            request.answer.set_exception(RequestError(reason, message))

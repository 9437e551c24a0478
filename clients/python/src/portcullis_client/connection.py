"""One socket, from the attempt to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from .background import Background, report_fault
from .client_options import Settings
from .close_policy import Ending, OwnEnding, own_ending, read_close, read_refusal
from .frames import SUBPROTOCOL, Frame, Ids, read_frame, write_json

_MAX_MESSAGE_BYTES = 1_114_112
"""An event may have 1 MiB, and its frame a little more."""
_CLOSE_S = 2
"""Time for the peer to answer a close: then the socket is dropped."""
_NO_CLOSE_FRAME = (1005, 1006)
_INTERNAL_ERROR = 1011
"""With this the library closes a connection whose pings are not answered."""

# At level DEBUG the library would write the head of each request, and so the token.
_SOCKET_LOG = logging.getLogger("portcullis_client.socket")
_SOCKET_LOG.setLevel(logging.INFO)


class _OpenSocket(open_socket):
    """An attempt goes to the gateway and nowhere else: a redirect would take the token along."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@dataclass(frozen=True)
class Attempt:
    """What one attempt takes along. `ticket` stands for the token, which is not sent; `pass_`: the resume pass of the connection before;
    `since`: from where the user's own topic goes on. None: none.
    """

    token: str
    ticket: str | None
    event_types: Ids
    pass_: str | None
    since: str | None

    def address(self, settings: Settings) -> str:
        """`refuse=close`: a refusal is told by a close code, as everywhere in the table of closes."""
        query = dict(parse_qsl(settings.url.query, keep_blank_values=True))
        query["refuse"] = "close"
        if self.event_types != "*":
            query["event_types"] = ",".join(self.event_types)
        more = {"resume": self.pass_, "since": self.since, "ticket": self.ticket}
        query.update({name: value for name, value in more.items() if value is not None})
        if self.ticket is None and settings.carrier == "query":
            query["token"] = self.token
        return settings.url._replace(query=urlencode(query)).geturl()

    def headers(self, settings: Settings) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.ticket is None and settings.carrier == "header" else {}

    def protocols(self, settings: Settings) -> list[str]:
        return [SUBPROTOCOL, *([f"bearer.{self.token}"] if self.ticket is None and settings.carrier == "protocol" else [])]


class Connection:
    """`on_end` is called once, whatever ends it, but not after `abandon`. It ends with `no_answer` when no frame comes in time, or no end
    in time after `closing`.
    """

    def __init__(
        self,
        settings: Settings,
        attempt: Attempt,
        background: Background,
        on_frame: Callable[[Frame], None],
        on_end: Callable[[Ending], None],
    ) -> None:
        self._settings = settings
        self._background = background
        self._on_frame = on_frame
        self._on_end = on_end
        self._socket: ClientConnection | None = None
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._closing: Frame | None = None
        self._is_over = False
        self._cancel = self._end_in_time()
        self._task = background.start(self._run(attempt))

    def send(self, text: str) -> None:
        self._outgoing.put_nowait(text)

    def drop(self, ending: OwnEnding) -> None:
        """Ends it now, without waiting for a peer that may be gone."""
        if not self._is_over:
            self.abandon()
            self._on_end(own_ending(ending))

    def abandon(self) -> None:
        """The same, and nobody is told."""
        if not self._finish():
            return
        if self._socket is None:
            self._task.cancel()
        else:
            self._background.start(self._socket.close(1000))

    def _end_in_time(self) -> Callable[[], None]:
        return self._settings.clock.after(self._settings.timeout_ms, lambda: self.drop("no_answer"))

    def _finish(self) -> bool:
        if self._is_over:
            return False
        self._is_over = True
        self._cancel()
        return True

    def _end(self, ending: Ending) -> None:
        if self._finish():
            self._on_end(ending)

    async def _run(self, attempt: Attempt) -> None:
        try:
            socket = await self._open(attempt)
        except InvalidStatus as refused:
            response = refused.response
            return self._end(read_refusal(response.status_code, response.headers.get("Retry-After"), bytes(response.body or b"")))
        except (OSError, EOFError, ValueError, WebSocketException):
            return self._end(read_close(1006, ""))
        self._socket = socket
        writer = self._background.start(self._write(socket))
        try:
            await self._read(socket)
        finally:
            writer.cancel()

    async def _open(self, attempt: Attempt) -> ClientConnection:
        settings = self._settings
        ping_s = settings.keep_alive_ms / 1000 or None
        secure: dict[str, Any] = {"ssl": settings.ssl} if settings.ssl is not None and settings.url.scheme == "wss" else {}
        return await _OpenSocket(
            attempt.address(settings),
            additional_headers=attempt.headers(settings),
            subprotocols=attempt.protocols(settings),  # type: ignore[arg-type]
            max_size=_MAX_MESSAGE_BYTES,
            open_timeout=None,
            close_timeout=_CLOSE_S,
            ping_interval=ping_s,
            ping_timeout=settings.timeout_ms / 1000,
            logger=_SOCKET_LOG,
            **secure,
        )

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                self._take(await socket.recv())
                # Frames that have come already are read without a pause: who waits for an answer has a turn between them.
                await asyncio.sleep(0)
        except ConnectionClosed as closed:
            is_silent = closed.rcvd is None and closed.sent is not None and closed.sent.code == _INTERNAL_ERROR
            self._end(own_ending("silent") if is_silent else self._explain(socket.close_code or 1006, socket.close_reason or ""))

    def _take(self, data: str | bytes) -> None:
        frame = None if self._is_over else read_frame(data)
        if frame is None:
            return
        if self._closing is None:
            self._cancel()
        if frame["type"] == "closing" and self._closing is None:
            self._closing = frame
            self._cancel = self._end_in_time()
        try:
            self._on_frame(frame)
        except Exception as fault:
            report_fault(fault)

    def _explain(self, code: int, reason: str) -> Ending:
        """When the close itself says nothing, a `closing` frame before it has said it."""
        closing = self._closing
        if closing is None or code not in _NO_CLOSE_FRAME:
            return read_close(code, reason)
        told = closing.get("code")
        return replace(read_close(told if isinstance(told, int) else code, write_json({"error": closing.get("error")})), code=code)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                await socket.send(await self._outgoing.get())
        except ConnectionClosed:
            # The reader tells how it ended.
            pass

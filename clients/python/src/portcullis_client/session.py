"""What goes on from `welcome` to the end of one connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .background import Background
from .client_options import Settings
from .clock import pause
from .connection import Connection
from .errors import RequestError
from .event_types import EventTypes
from .frames import Frame
from .recovery import Recovery
from .requests import Requests
from .resubscribe import Resubscription
from .token_refresh import TokenRefresh
from .wanted import Wanted


@dataclass(frozen=True)
class Shared:
    """What one client has, whatever connection there is."""

    settings: Settings
    requests: Requests
    wanted: Wanted
    recovery: Recovery
    event_types: EventTypes
    background: Background
    on_frame: Callable[[Frame], None]
    on_denied: Callable[[dict[str, Any]], None]


class Session:
    """`on_ready`: all that was subscribed is confirmed."""

    def __init__(
        self,
        shared: Shared,
        connection: Connection,
        welcome: Frame,
        *,
        token: str,
        ask_token: Callable[[], Awaitable[str | None]],
        on_token: Callable[[str], None],
        on_signed_out: Callable[[], None],
        on_ready: Callable[[], None],
    ) -> None:
        self._shared = shared
        self._connection = connection
        self._welcome = welcome
        self._on_ready = on_ready
        shared.requests.attach(connection, welcome["limits"].get("frame_bytes", 0))
        self._refresh = TokenRefresh(
            token=token,
            time=welcome.get("time"),
            before_ms=shared.settings.refresh_before_ms,
            clock=shared.settings.clock,
            ask=ask_token,
            present=self._present,
            on_token=on_token,
            on_signed_out=on_signed_out,
            start=shared.background.start,
        )
        self._refresh.plan_before(welcome.get("expires_at"))
        self._restoring = shared.background.start(self._restore())

    def receive(self, frame: Frame) -> None:
        self._shared.requests.answer(frame)
        if frame["type"] == "expiring":
            self._refresh.warn(frame.get("expires_at"))

    def stop(self) -> None:
        self._restoring.cancel()
        self._refresh.stop()
        self._shared.requests.detach()

    async def _present(self, token: str) -> object:
        return (await self._shared.requests.ask({"type": "refresh", "token": token}, "now")).get("expires_at")

    async def _restore(self) -> None:
        shared = self._shared
        try:
            await self._narrow()
            await Resubscription(
                wanted=shared.wanted,
                recovery=shared.recovery,
                last=shared.settings.last,
                max_ids=self._welcome["limits"]["filter_ids"],
                ask=lambda frame, **asked: shared.requests.ask(frame, "now", **asked),
                on_denied=shared.on_denied,
                pause=lambda ms: pause(shared.settings.clock, ms),
            ).run()
        except RequestError:
            return self._connection.drop("no_answer")
        shared.requests.release()
        self._on_ready()

    async def _narrow(self) -> None:
        """Tells the gateway which events are wanted, where the address did not."""
        names = self._shared.event_types.owed()
        if names is not None:
            await self._shared.requests.ask({"type": "subscribe", "event_types": names}, "now")
            self._shared.event_types.confirm(names)

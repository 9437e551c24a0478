"""One connection after the other, as the gateway's closes allow it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .close_policy import Ending, named_ending, own_ending, read_duration
from .connection import Attempt, Connection
from .frames import Frame
from .kept_pass import KeptPass
from .retry_clock import RetryClock
from .session import Session, Shared
from .take_ticket import take_ticket
from .tokens import PresentedToken, TokenReason, ask_token

_MAX_TICKETS = 2
"""Tickets that are tried before the token itself is sent."""

_LOG = logging.getLogger("portcullis_client")


@dataclass(frozen=True)
class ClientState:
    """Where the client is.

    `connecting`: a token is asked for, a socket is opened, what was subscribed is subscribed again. `open`: from here on no event of what
    is subscribed is missed. `waiting`: it will try again, in `retry_in_ms`, `because` of an ending. `closed`: it will not.
    """

    status: Literal["connecting", "open", "waiting", "closed"]
    user_id: str | None = None
    connection_id: str | None = None
    retry_in_ms: int | None = None
    because: Ending | None = None


class ConnectionLoop:
    def __init__(self, shared: Shared, on_state: Callable[[ClientState], None]) -> None:
        settings = shared.settings
        self._shared = shared
        self._on_state = on_state
        self._is_over = False
        self._token = PresentedToken()
        self._pass = KeptPass(settings.clock)
        self._clock = RetryClock(settings.backoff, settings.stable_ms, settings.clock)
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._asking: asyncio.Task[str | None] | None = None
        # What is sent in place of the token now; None: the token itself.
        self._ticket: str | None = None
        # Tickets refused one after the other: one may have come from another address than the socket, by IPv6 and by IPv4.
        self._tickets_refused = 0
        # Calls off the next attempt.
        self._cancel: Callable[[], None] = lambda: None

    def start(self) -> None:
        if not self._is_over:
            self._shared.background.start(self._attempt())

    def end(self, because: Ending) -> None:
        """Final."""
        if self._is_over:
            return
        self._is_over = True
        self._cancel()
        self._shared.requests.end()
        if self._session is not None:
            self._session.stop()
        if self._asking is not None:
            self._asking.cancel()
        if self._connection is not None:
            self._connection.abandon()
        self._tell(ClientState("closed", because=because))

    def _tell(self, state: ClientState) -> None:
        because = "" if state.because is None else f" because of {state.because.name} ({state.because.code})"
        wait = "" if state.retry_in_ms is None else f" {state.retry_in_ms} ms"
        _LOG.debug("%s%s%s", state.status, wait, because)
        self._on_state(state)

    async def _get_token(self, reason: TokenReason) -> str | None:
        """One question at a time: what is being fetched for a connection that has ended meanwhile serves the next."""
        if self._asking is None:
            settings = self._shared.settings
            self._asking = asyncio.ensure_future(ask_token(settings.token, reason, settings.timeout_ms, settings.clock))
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    def _asked(self, asking: asyncio.Task[str | None]) -> None:
        self._asking = None
        if not asking.cancelled():
            # Whether or not anybody waits for it still.
            asking.exception()

    def _sign_out(self) -> None:
        self.end(own_ending("signed_out"))

    async def _attempt(self) -> None:
        self._tell(ClientState("connecting"))
        if self._is_over:
            return
        try:
            token = await self._get_token(self._token.reason)
        except Exception as error:
            return self._settle(own_ending("token_failed", error))
        except asyncio.CancelledError as cancelled:
            if self._is_over:
                raise
            # The callback was called off from elsewhere, as a failed request is.
            return self._settle(own_ending("token_failed", cancelled))
        if self._is_over:
            return
        if token is None:
            return self._sign_out()
        failed = self._token.present(token)
        if failed is not None:
            return self._settle(failed)
        await self._open(token)

    async def _take_ticket(self, token: str, resume: str | None) -> str | Ending | None:
        """A resume pass goes with the token itself: asking for a ticket would count in the full window that the pass is there for."""
        settings = self._shared.settings
        if settings.tickets_url is None or resume is not None or self._tickets_refused >= _MAX_TICKETS:
            return None
        return await take_ticket(settings.tickets_url, token, settings.timeout_ms, settings.ssl)

    async def _open(self, token: str) -> None:
        shared = self._shared
        resume = self._pass.present()
        answer = await self._take_ticket(token, resume)
        if self._is_over:
            return
        self._clock.attempted()
        if isinstance(answer, Ending):
            return self._settle(answer)
        self._ticket = answer
        attempt = Attempt(token, answer, shared.event_types.in_address(), resume, shared.recovery.open(token))
        self._connection = Connection(shared.settings, attempt, shared.background, self._receive, self._settle)

    def _receive(self, frame: Frame) -> None:
        kind = frame["type"]
        _LOG.debug("received %s %s", kind, frame.get("id", ""))
        if kind == "welcome" and self._session is None and self._connection is not None:
            self._session = self._greet(self._connection, frame)
        if kind == "closing":
            self._pass.keep(frame.get("resume"))
            self._clock.told(read_duration(frame.get("reconnect_after_ms")) or 0)
        if self._session is not None:
            self._session.receive(frame)
        # In the same turn: the events after an answer may follow in it.
        if not self._shared.recovery.receive(frame):
            return
        if kind != "event" or self._shared.event_types.takes(frame.get("event")):
            self._shared.on_frame(frame)

    def _greet(self, connection: Connection, welcome: Frame) -> Session | None:
        """None: the client has ended, as it asks for more than this gateway takes."""
        self._pass.drop()
        self._clock.opened()
        self._token.accepted()
        self._tickets_refused = 0
        self._ticket = None
        if not self._shared.event_types.greeted(welcome["limits"]["filter_ids"]):
            self.end(named_ending("bad_request"))
            return None
        return Session(
            self._shared,
            connection,
            welcome,
            token=self._token.current,
            ask_token=lambda: self._get_token("refresh"),
            on_token=self._replace_token,
            on_signed_out=self._sign_out,
            on_ready=lambda: self._tell(ClientState("open", welcome["user_id"], welcome.get("connection_id"))),
        )

    def _replace_token(self, token: str) -> None:
        self._token.current = token

    def _settle(self, because: Ending) -> None:
        """A connection or an attempt is over: what now?"""
        if self._is_over:
            return
        if self._session is None and because.name == "connection_lost":
            self._shared.event_types.note_unexplained()
        if self._session is not None:
            self._session.stop()
        self._session = self._connection = None
        self._shared.recovery.closed()
        self._pass.note_end(because)
        if self._ticket is not None and because.name == "invalid_token":
            return self._open_again()
        self._ticket = None
        if because.reconnect == "with a new token" and self._token.refuse():
            return self.end(because)
        if because.reconnect == "no":
            return self.end(because)
        self._clock.ended()
        retry_in_ms = self._clock.next_delay_ms(because)
        self._tell(ClientState("waiting", retry_in_ms=retry_in_ms, because=because))
        if not self._is_over:
            self._cancel = self._shared.settings.clock.after(retry_in_ms, self.start)

    def _open_again(self) -> None:
        """A ticket that was refused says nothing against the token: it goes on at once, with one more ticket, and then without."""
        self._ticket = None
        self._tickets_refused += 1
        self._shared.background.start(self._open(self._token.current))

"""The client of a Portcullis gateway."""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, cast

from .background import Background
from .client_options import Carrier, Settings, read_options
from .clock import Clock, pause
from .close_policy import own_ending
from .connection_loop import ClientState, ConnectionLoop
from .errors import ClientClosed, RequestError
from .event_stream import EventStream
from .event_types import EventTypes
from .frames import Frame, Ids, SubscribedFrame, UnsubscribedFrame
from .listeners import Listener, Listeners
from .position_storage import Storage
from .recovery import Recovery
from .requests import Requests
from .retry_clock import Backoff
from .session import Shared
from .subscribe_all import Subscription
from .tokens import TokenSource
from .topics import check_ids, check_last, check_message, to_filter_lists, to_topics
from .wanted import Wanted

_USUAL_MAX_IDS = 50
"""What a list may hold in a gateway that is set up as usual; `welcome` tells what it is."""


class Client:
    """One client of a gateway: always connected as far as it can be, to all that was subscribed. `connect` makes it."""

    def __init__(self, settings: Settings) -> None:
        self._state = ClientState("connecting")
        self._listeners = Listeners()
        self._background = Background()
        self._max_ids = _USUAL_MAX_IDS
        self._clock = settings.clock
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = Requests(settings.max_pending, settings.timeout_ms, settings.clock)
        self._wanted = Wanted(settings.agents, settings.tasks)
        self._event_types = EventTypes(settings.event_types, _USUAL_MAX_IDS)
        tell = self._listeners.tell
        self._recovery = Recovery(
            settings.storage, settings.url, settings.clock, lambda told: tell("recovered", told), lambda gap: tell("gap", gap)
        )
        shared = Shared(
            settings,
            self._requests,
            self._wanted,
            self._recovery,
            self._event_types,
            self._background,
            self._take_frame,
            lambda denied: tell("denied", denied),
        )
        self._loop = ConnectionLoop(shared, self._set_state)
        # Not before the caller could add its listeners.
        asyncio.get_running_loop().call_soon(self._loop.start)

    @property
    def state(self) -> ClientState:
        """Where the client is."""
        return self._state

    def on(self, name: str, listener: Listener) -> Callable[[], None]:
        """Calls the listener with what the client tells under this name; returns what takes the listener away again.

        `state` (a `ClientState`), `recovered` and `gap` (`{"topics": …}`), `denied` (`{"topics", "reason"}`), and every other frame of the
        gateway by its type, such as `welcome` and `event`. A listener that raises is reported to the loop's exception handler, and stops
        nothing else.
        """
        return self._listeners.on(name, listener)

    def events(self, max_unread: int = 10_000) -> EventStream:
        """Events from now on, in their order: `async for event in client.events()`."""
        stream = EventStream(max_unread)

        def look(state: ClientState) -> None:
            if state.status == "closed" and state.because is not None:
                stream.closed(state.because)

        stream.feeds_on(self.on("event", stream.put))
        stream.feeds_on(self.on("state", look))
        look(self._state)
        return stream

    async def opened(self) -> None:
        """Waits until all that was subscribed is confirmed. Raises `ClientClosed` when the client ended instead."""
        done = asyncio.get_running_loop().create_future()

        def look(state: ClientState) -> None:
            if state.status in ("open", "closed") and not done.done():
                done.set_result(None)

        off = self.on("state", look)
        look(self._state)
        try:
            await done
        finally:
            off()
        if self._state.status == "closed" and self._state.because is not None:
            raise ClientClosed(self._state.because)

    async def subscribe(
        self, *, agents: Ids | None = None, tasks: Ids | None = None, event_types: Ids | None = None, last: int | None = None
    ) -> SubscribedFrame:
        """Returns once every later event will arrive, on this connection and all after it. All or nothing: one denied id denies the call.

        `event_types` counts for all topics. `last`: how many of the newest events are told of each topic that was not listened to before,
        as far as they are kept. Raises a `RequestError`. Cancelling the wait does not take it back.
        """
        for name, ids in (("agents", agents), ("tasks", tasks), ("event_types", event_types)):
            check_ids(name, ids)
        check_last(last)
        topics = to_topics(agents, tasks)
        if not topics and event_types is None:
            raise RequestError("bad_request", "nothing to subscribe to")
        subscription = Subscription(
            topics=topics,
            event_types=event_types,
            last=last,
            wanted=self._wanted,
            recovery=self._recovery,
            max_ids=lambda: self._max_ids,
            ask=lambda frame, **asked: self._requests.ask(frame, "repeatable", **asked),
            pause=lambda ms: pause(self._clock, ms, self._over),
        )
        answer = await self._to_its_end(subscription.run())
        if event_types is not None:
            self._event_types.confirm(event_types)
        return cast(SubscribedFrame, answer)

    async def unsubscribe(self, *, agents: Ids | None = None, tasks: Ids | None = None) -> UnsubscribedFrame:
        """Leaves these; `'*'`: all of the kind. Raises a `RequestError`."""
        for name, ids in (("agents", agents), ("tasks", tasks)):
            check_ids(name, ids)
        topics = to_topics(agents, tasks)
        self._wanted.remove(topics)
        self._recovery.forget(topics)
        answer = self._requests.ask(
            {"type": "unsubscribe", **to_filter_lists(topics)},
            "repeatable",
            # A subscribe that was asked for earlier has been confirmed meanwhile.
            on_answer=lambda _answer: self._wanted.remove(topics),
        )
        return cast(UnsubscribedFrame, await answer)

    async def send(self, to: str, data: Any, *, id: str | None = None) -> None:
        """Returns once the gateway has stored the message for the back end. Never repeated by the client: raised with `connection_lost`,
        `timeout` or `unavailable` it may or may not have been stored. To repeat it give both the same `id`, which no other message of this
        user ever had: 1 to 64 characters.
        """
        check_message(to, id)
        await self._requests.ask({"type": "send", "to": to, "data": data}, "once", request_id=id)

    def close(self) -> None:
        """Final. What waits for an answer is rejected."""
        self._loop.end(own_ending("closed"))

    async def wait_closed(self) -> None:
        """Waits until the socket is closed, after `close()`."""
        await self._background.finished()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()
        await self.wait_closed()

    async def _to_its_end(self, work: Coroutine[Any, Any, Frame]) -> Frame:
        """What several calls share is left as it should be, also when the application stops waiting."""
        return await asyncio.shield(asyncio.ensure_future(work))

    def _take_frame(self, frame: Frame) -> None:
        if frame["type"] == "welcome":
            self._max_ids = frame["limits"]["filter_ids"]
        self._listeners.tell(frame["type"], frame)

    def _set_state(self, state: ClientState) -> None:
        self._state = state
        if state.status == "closed":
            self._over.set_result(None)
        self._listeners.tell("state", state)


def connect(
    url: str,
    token: TokenSource,
    *,
    agents: Ids | None = None,
    tasks: Ids | None = None,
    event_types: Ids | None = None,
    last: int | None = None,
    storage: Storage | None = None,
    carrier: Carrier = "header",
    tickets: bool | str = False,
    ssl: tls.SSLContext | None = None,
    max_pending: int = 100,
    timeout_ms: float = 15_000,
    keep_alive_ms: float = 20_000,
    backoff: Backoff = Backoff(),
    stable_ms: float = 10_000,
    refresh_before_ms: float = 60_000,
    clock: Clock | None = None,
) -> Client:
    """Connects, and stays connected until `close()` or a close of the gateway that forbids to come back. In a running event loop. Raises at
    once on options that cannot work.

    - `url`: `wss://…/ws`; `https:` stands for `wss:`.
    - `token`: called with `connect`, `refused` or `refresh` for each attempt and before the token ends; may be a coroutine function. None
      ends the client: nobody is signed in. A failure is tried again with back-off.
    - `agents`, `tasks`: what to listen to from the start: ids, or `'*'`. `event_types`: names of the events to receive; all when absent.
    - `last`: the newest events of each of these topics, as far as they are kept, are told when they are listened to for the first time.
    - `storage`: keeps positions over restarts of the process, of one client: any mapping of texts, such as a `shelve`.
    - `carrier`: where the token travels: `header`, `protocol` (as a subprotocol, as in a page) or `query`, which ends up in logs.
    - `tickets`: True: asks at `/v1/tickets` beside `/ws` for a ticket that stands for the token; or the address where.
    - `ssl`: trusts an authority of one's own.
    - `max_pending`: requests that may wait for their answers at once. `timeout_ms`: for an answer, a token, a `welcome`.
    - `keep_alive_ms`: a WebSocket ping, which is no message, is sent in this interval, and the connection replaced when no answer comes
      within `timeout_ms`. 0: never.
    - `backoff`, `stable_ms`: waits before a new attempt; a connection that was open for this long starts the back-off anew.
    - `refresh_before_ms`: how long before its end a token is replaced, but at half of what is left at the latest.
    - `clock`: time and chance, for tests.
    """
    options = dict(locals())
    return Client(read_options(**options))

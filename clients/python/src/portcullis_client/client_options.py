"""What a client is made with."""

from __future__ import annotations

import ssl as tls
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

from .clock import MAX_TIMER_MS, Clock, SystemClock
from .frames import Ids
from .position_storage import Storage
from .retry_clock import Backoff
from .tokens import TokenSource
from .topics import check_ids, check_last

Carrier = Literal["header", "protocol", "query"]


@dataclass(frozen=True)
class Settings:
    """The options with nothing left open. What each means stands at `connect`."""

    url: SplitResult
    token: TokenSource
    agents: Ids | None
    tasks: Ids | None
    event_types: Ids
    last: int | None
    storage: Storage | None
    carrier: Carrier
    tickets_url: str | None
    ssl: tls.SSLContext | None
    max_pending: int
    timeout_ms: float
    keep_alive_ms: float
    backoff: Backoff
    stable_ms: float
    refresh_before_ms: float
    clock: Clock


def _read_url(text: str) -> SplitResult:
    # The platform's own error quotes the address, and a token may stand in it.
    try:
        url = urlsplit(text)
        is_whole = bool(url.hostname) and url.port != 0
    except (ValueError, AttributeError):
        is_whole = False
    if not is_whole:
        raise ValueError("url: not an address")
    if any(name == "token" for name, _ in parse_qsl(url.query, keep_blank_values=True)):
        raise ValueError("url: the token comes from the token callback")
    scheme = {"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)
    if scheme not in ("ws", "wss"):
        raise ValueError("url: ws: or wss:")
    return url._replace(scheme=scheme, path=url.path or "/", fragment="")


def _read_tickets_url(tickets: bool | str, socket_url: SplitResult) -> str | None:
    """By default beside the path of the WebSocket, so that a prefix that a proxy takes away stays."""
    if tickets is False:
        return None
    if tickets is not True:
        if urlsplit(tickets).scheme not in ("http", "https"):
            raise ValueError("tickets: http: or https:")
        return tickets
    before, found, after = socket_url.path.rstrip("/").rpartition("/ws")
    prefix = before if found and after.count("/") == len(after[:1]) and after[:1] in ("", "/") else socket_url.path.rstrip("/")
    return socket_url._replace(scheme=socket_url.scheme.replace("ws", "http", 1), path=prefix + "/v1/tickets", query="").geturl()


def _read_number(name: str, value: float, least: float) -> float:
    if not least <= value <= MAX_TIMER_MS:
        raise ValueError(f"{name}: {least} to {MAX_TIMER_MS}")
    return value


def read_options(
    *,
    url: str,
    token: TokenSource,
    agents: Ids | None,
    tasks: Ids | None,
    event_types: Ids | None,
    last: int | None,
    storage: Storage | None,
    carrier: Carrier,
    tickets: bool | str,
    ssl: tls.SSLContext | None,
    max_pending: int,
    timeout_ms: float,
    keep_alive_ms: float,
    backoff: Backoff,
    stable_ms: float,
    refresh_before_ms: float,
    clock: Clock | None,
) -> Settings:
    """Checks the options. Raises `ValueError`, `TypeError`, or the `RequestError` of a malformed list."""
    if not isinstance(token, Callable):  # type: ignore[arg-type]
        raise TypeError("token: a function that gives the token")
    if carrier not in ("header", "protocol", "query"):
        raise ValueError("carrier: header, protocol or query")
    for name, ids in (("agents", agents), ("tasks", tasks), ("event_types", event_types)):
        check_ids(name, ids)
    check_last(last)
    address = _read_url(url)
    return Settings(
        url=address,
        token=token,
        agents=agents,
        tasks=tasks,
        event_types="*" if event_types is None else event_types,
        last=last,
        storage=storage,
        carrier=carrier,
        tickets_url=_read_tickets_url(tickets, address),
        ssl=ssl,
        max_pending=int(_read_number("max_pending", max_pending, 1)),
        timeout_ms=_read_number("timeout_ms", timeout_ms, 1),
        keep_alive_ms=_read_number("keep_alive_ms", keep_alive_ms, 0),
        backoff=Backoff(_read_number("backoff.base_ms", backoff.base_ms, 1), _read_number("backoff.cap_ms", backoff.cap_ms, 1)),
        stable_ms=_read_number("stable_ms", stable_ms, 0),
        refresh_before_ms=_read_number("refresh_before_ms", refresh_before_ms, 0),
        clock=SystemClock() if clock is None else clock,
    )

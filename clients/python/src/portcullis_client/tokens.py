"""Tokens: asked for, presented, and refused."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal, TypeVar, Union

from .clock import Clock
from .close_policy import Ending, own_ending

TokenReason = Literal["connect", "refused", "refresh"]
"""Why a token is asked for: a connection, a connection after the last token was refused, or the last one ends soon."""

TokenSource = Callable[[TokenReason], Union[str, None, Awaitable[Union[str, None]]]]
"""Gives a token, or None when nobody is signed in, which ends the client. A failure is tried again with back-off."""

_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""The compact form of a JWS: nothing else is fit for a header."""

_MAX_REFUSED_TOKENS = 5
"""Tokens refused one after the other before the client gives up: the user has to sign in again."""

_Given = TypeVar("_Given")


async def within(work: Awaitable[_Given], ms: float, clock: Clock, message: str) -> _Given:
    """What the work gives; it is called off, with a `TimeoutError`, after that time."""
    task = asyncio.ensure_future(work)
    is_late = False

    def end() -> None:
        nonlocal is_late
        is_late = True
        task.cancel()

    cancel = clock.after(ms, end)
    try:
        return await task
    except asyncio.CancelledError:
        if is_late:
            raise TimeoutError(message) from None
        raise
    finally:
        cancel()


async def ask_token(source: TokenSource, reason: TokenReason, timeout_ms: float, clock: Clock) -> str | None:
    """Calls the token callback; None: nobody is signed in. Raises when it fails, takes too long or gives what is no JWT; no message of
    this client quotes it.
    """
    given = source(reason)
    if inspect.isawaitable(given):
        given = await within(given, timeout_ms, clock, "the token callback gave nothing in time")
    if given is None:
        return None
    token = given.strip() if isinstance(given, str) else ""
    if not _JWT.fullmatch(token):
        raise ValueError("the token callback gave what is no JWT")
    return token


class PresentedToken:
    """The token that the connection was opened with, and what became of those before it."""

    def __init__(self) -> None:
        self.current = ""
        self._refused: str | None = None
        self._refused_in_a_row = 0

    @property
    def reason(self) -> TokenReason:
        """Why the next one is asked for."""
        return "connect" if self._refused is None else "refused"

    def present(self, token: str) -> Ending | None:
        """Takes the next token; what ends the attempt when it is the one that was just refused: that is not presented again."""
        if token == self._refused:
            cause = ValueError("the token callback gave the token that was just refused")
            return replace(own_ending("token_failed", cause), reconnect="with a new token")
        self.current = token
        return None

    def accepted(self) -> None:
        """The gateway let it in."""
        self._refused, self._refused_in_a_row = None, 0

    def refuse(self) -> bool:
        """The gateway refused it. True when there were too many in a row."""
        self._refused = self.current
        self._refused_in_a_row += 1
        return self._refused_in_a_row >= _MAX_REFUSED_TOKENS

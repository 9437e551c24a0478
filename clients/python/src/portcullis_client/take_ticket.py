"""Asks for a ticket with the token, which then stands in no URL."""

from __future__ import annotations

import asyncio
import ssl
import urllib.error
import urllib.request
from typing import Any

from .close_policy import Ending, named_ending, read_duration, read_object

_LATER = ("ip_rate_limited", "restarting", "overloaded", "unavailable")
"""The refusals that the same attempt by token would meet as well."""
_MAX_BYTES = 65_536


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for this address and for no other."""

    def redirect_request(self, *_args: Any) -> None:
        return None


def _post(url: str, token: str, timeout_s: float, context: ssl.SSLContext | None) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, data=b"", method="POST", headers={"Authorization": f"Bearer {token}"})
    try:
        with opener.open(request, timeout=timeout_s) as response:
            return response.status, response.read(_MAX_BYTES)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read(_MAX_BYTES)


async def take_ticket(url: str, token: str, timeout_ms: float, context: ssl.SSLContext | None) -> str | Ending | None:
    """One; or None: the token has to do; or an end of this attempt, with the time to wait. Raises nothing."""
    try:
        status, body = await asyncio.to_thread(_post, url, token, timeout_ms / 1000, context)
    except (OSError, ValueError):
        # No such path, or no network: the attempt itself tells.
        return None
    answer = read_object(body)
    ticket, error = answer.get("ticket"), answer.get("error")
    if status == 201 and isinstance(ticket, str):
        return ticket
    if error not in _LATER:
        return None
    wait_s = read_duration(answer.get("retry_after_s"))
    return named_ending(str(error), None if wait_s is None else wait_s * 1000)

"""Whether, and how, to come back after a connection ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Reconnect = Literal["no", "with a new token", "after the delay", "with back-off", "yes"]

OwnEnding = Literal["connection_lost", "no_answer", "silent", "token_failed", "signed_out", "closed"]
"""What ended a connection or an attempt, when no close of the gateway did."""

CLOSE_POLICY: Mapping[str, tuple[int, Reconnect]] = {
    "normal": (1000, "no"),
    "bad_request": (4400, "no"),
    "bad_message": (4400, "no"),
    "invalid_token": (4401, "with a new token"),
    "missing_token": (4401, "with a new token"),
    "expired_token": (4401, "with a new token"),
    "revoked": (4401, "with a new token"),
    "forbidden": (4403, "no"),
    "disconnected": (4403, "no"),
    "banned": (4403, "after the delay"),
    "too_many_requests": (4429, "after the delay"),
    "ip_rate_limited": (4429, "after the delay"),
    "user_connection_limit": (4429, "after the delay"),
    "frame_too_large": (1009, "no"),
    "idle": (4408, "yes"),
    "slow_consumer": (4508, "yes"),
    "restarting": (1012, "after the delay"),
    "overloaded": (1013, "with back-off"),
    "unavailable": (4503, "with back-off"),
}
"""The gateway's refusals that a close can tell, by their names. Of those that share a code the first stands for it."""

_FINAL_OWN = ("closed", "signed_out")


@dataclass(frozen=True)
class Ending:
    """What ended a connection or an attempt."""

    name: str
    """A name of `CLOSE_POLICY`, or an `OwnEnding`."""
    code: int | None
    """Close code of the socket; None where there was none."""
    reconnect: Reconnect
    retry_after_ms: float | None = None
    """Not sooner than this, from the end; None when nothing was told."""
    cause: BaseException | None = None
    """Why the token callback failed, for `token_failed`."""


def is_final(name: str) -> bool:
    """Whether this refusal stands whenever the same is asked again."""
    return name in CLOSE_POLICY and CLOSE_POLICY[name][1] == "no"


def named_ending(name: str, retry_after_ms: float | None = None) -> Ending:
    """An ending that the gateway named otherwise than by a close. `name` is one of `CLOSE_POLICY`."""
    return Ending(name, None, CLOSE_POLICY[name][1], retry_after_ms)


def own_ending(name: OwnEnding, cause: BaseException | None = None) -> Ending:
    """An ending that the client itself brought about."""
    return Ending(name, None, "no" if name in _FINAL_OWN else "with back-off", None, cause)


def read_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object; an empty one for what is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def read_duration(value: object) -> float | None:
    """A duration that a gateway told; None for what is none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and value >= 0 else None  # type: ignore[arg-type, operator]


def read_close(code: int, reason: str) -> Ending:
    """Reads a close: by the name in its reason, else by its code. A code that is not in the table means back-off."""
    told = read_object(reason)
    error = told.get("error")
    name = error if isinstance(error, str) and CLOSE_POLICY.get(error, (None,))[0] == code else None
    if name is None:
        name = next((name for name, (its_code, _) in CLOSE_POLICY.items() if its_code == code), None)
    wait = read_duration(told.get("retry_after_ms"))
    if name is None:
        return Ending("connection_lost", code, "with back-off", wait)
    return Ending(name, code, CLOSE_POLICY[name][1], wait)


def read_refusal(status: int, retry_after: str | None, body: bytes) -> Ending:
    """Reads the HTTP answer to an upgrade: unlike a page, this client can see one. What no gateway wrote means back-off."""
    told = read_object(body)
    error = told.get("error")
    if status == 400:
        return named_ending("bad_request")
    if not isinstance(error, str) or error not in CLOSE_POLICY:
        return Ending("connection_lost", None, "with back-off")
    wait_s = read_duration(told.get("retry_after_s"))
    if wait_s is None and retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        wait_s = float(retry_after)
    return named_ending(error, None if wait_s is None else wait_s * 1000)

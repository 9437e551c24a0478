"""Frames of the protocol, as dictionaries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Union

SUBPROTOCOL = "portcullis.v1"

MAX_FRAME_BYTES = 262_144
"""Longest frame but `send` that a gateway takes, whatever its limit says."""

Ids = Union[Sequence[str], Literal["*"]]
"""Ids that the gateway knows, or everything that this user may see now."""

Frame = Mapping[str, Any]


class _EventFrame(TypedDict):
    type: Literal["event"]
    topic: str
    event: str
    data: Any
    ts: str


class EventFrame(_EventFrame, total=False):
    """
    What a back end published. `pos`: its place in the topic; `id`: its publisher's; `replayed`: it had been published before; `trace`: the
    publisher's `traceparent`, where the gateway passes it on.
    """

    pos: str
    id: str
    replayed: bool
    trace: str


class _Listing(TypedDict):
    agent_ids: list[str]
    task_ids: list[str]


class SubscribedFrame(_Listing, total=False):
    """What is subscribed now. `positions`: where the live events of each topic begin."""

    type: str
    id: str
    positions: dict[str, str]
    recovered: dict[str, bool]


class UnsubscribedFrame(_Listing, total=False):
    """What is left."""

    type: str
    id: str


SERVER_FRAME_TYPES = (
    "welcome", "subscribed", "unsubscribed", "event", "sent", "pong", "refreshed", "expiring", "error", "closing", "gap", "positions",
)  # fmt: skip

_LISTS = ("agent_ids", "task_ids")


def _has_its_members(frame: Frame) -> bool:
    """What this client reads without asking whether it is there."""
    kind = frame["type"]
    if kind == "welcome":
        return isinstance(frame.get("limits"), dict) and isinstance(frame.get("user_id"), str)
    if kind in ("gap", "positions"):
        return isinstance(frame.get("topics"), dict)
    if kind in ("subscribed", "unsubscribed"):
        return all(isinstance(frame.get(name), list) for name in _LISTS)
    return kind != "event" or isinstance(frame.get("topic"), str)


def read_frame(data: str | bytes) -> Frame | None:
    """Reads one frame of the gateway; None for what this version does not know, which later versions of it may send."""
    if not isinstance(data, str):
        return None
    try:
        frame = json.loads(data)
    except (ValueError, RecursionError):
        return None
    is_known = isinstance(frame, dict) and frame.get("type") in SERVER_FRAME_TYPES
    return frame if is_known and _has_its_members(frame) else None


def write_json(value: object) -> str:
    """Compact JSON text. Raises `ValueError` or `TypeError` on what is none."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)

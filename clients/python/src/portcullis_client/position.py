"""Positions of events in their topics."""

from __future__ import annotations

import re
from typing import NamedTuple

_POSITION = re.compile(r"([!-~]{1,62}):(0|[1-9][0-9]{0,14})")


class Position(NamedTuple):
    """Where an event stands in its topic. Offsets of one epoch go up by one, from 1; 0 is before the first event."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


def parse_position(text: object) -> Position | None:
    """Reads `<epoch>:<offset>`; None when it is none."""
    found = _POSITION.fullmatch(text) if isinstance(text, str) else None
    return None if found is None else Position(found[1], int(found[2]))

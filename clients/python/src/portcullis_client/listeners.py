"""Listeners by the name of what they listen to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .background import report_fault

Listener = Callable[[Any], object]


class Listeners:
    def __init__(self) -> None:
        # By a key of its own each: the same function may listen twice.
        self._by_name: dict[str, dict[object, Listener]] = {}

    def on(self, name: str, listener: Listener) -> Callable[[], None]:
        """Returns what takes the listener away again."""
        key = object()
        listeners = self._by_name.setdefault(name, {})
        listeners[key] = listener

        def off() -> None:
            listeners.pop(key, None)

        return off

    def tell(self, name: str, signal: object) -> None:
        """A fault of one listener is seen, and stops neither the others nor the connection."""
        for listener in list(self._by_name.get(name, {}).values()):
            try:
                listener(signal)
            except Exception as fault:
                report_fault(fault)

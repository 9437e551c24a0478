"""The resume pass that the last connection left for the next."""

from __future__ import annotations

from .clock import Clock
from .close_policy import CLOSE_POLICY, Ending

_PASS_MS = 120_000
"""Life of a pass."""


class KeptPass:
    """Keeps a pass over attempts that may never have reached a gateway, as while the only one restarts: until one lets the client in or
    refuses it by name. A spent pass is as good as none, so one time too many does no harm.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._text: str | None = None
        self._received_at_ms = 0.0
        self._is_presented = False

    def keep(self, text: object) -> None:
        """Takes that of a `closing` frame, or notes that there was none in it."""
        self._text = text if isinstance(text, str) else None
        self._received_at_ms, self._is_presented = self._clock.now(), False

    def present(self) -> str | None:
        """What the next attempt presents; None: nothing."""
        if self._clock.now() - self._received_at_ms >= _PASS_MS:
            self._text = None
        self._is_presented = True
        return self._text

    def drop(self) -> None:
        """The gateway has let the client in: the pass is spent."""
        self._text = None

    def note_end(self, because: Ending) -> None:
        """A connection or an attempt is over. The connection that brought a pass ends by name as well."""
        if self._is_presented and because.name in CLOSE_POLICY:
            self._text = None

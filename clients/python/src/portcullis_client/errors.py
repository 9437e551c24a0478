"""What a client raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .close_policy import Ending


class RequestError(Exception):
    """A `send`, `subscribe` or `unsubscribe` that did not succeed.

    `reason` is the gateway's name of the refusal, such as `forbidden`, or one of the client's own: `connection_lost` (the connection
    ended before the answer: whether the gateway has stored it is not known), `timeout`, `queue_full`, `closed`, `bad_request` and
    `frame_too_large` (the last two: it was not sent). `retry_after_ms`: when another attempt can succeed; None when nothing was told.
    """

    def __init__(self, reason: str, message: str, retry_after_ms: float | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.retry_after_ms = retry_after_ms


class ClientClosed(Exception):
    """The client has ended, and not by `close()`: what was waited for will not come. `because` says why."""

    def __init__(self, because: Ending) -> None:
        super().__init__(because.name)
        self.because = because

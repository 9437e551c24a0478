"""The client of a Portcullis gateway, for asyncio. `connect` makes one."""

from .client import Client, connect
from .client_options import Carrier
from .close_policy import CLOSE_POLICY, Ending, Reconnect
from .clock import Clock
from .connection_loop import ClientState
from .errors import ClientClosed, RequestError
from .event_stream import EventStream
from .frames import EventFrame, Frame, Ids, SubscribedFrame, UnsubscribedFrame
from .position_storage import Storage
from .retry_clock import Backoff
from .tokens import TokenReason, TokenSource

__version__ = "0.1.0"

__all__ = [
    "CLOSE_POLICY", "Backoff", "Carrier", "Client", "ClientClosed", "ClientState", "Clock", "Ending", "EventFrame", "EventStream", "Frame",
    "Ids", "Reconnect", "RequestError", "Storage", "SubscribedFrame", "TokenReason", "TokenSource", "UnsubscribedFrame", "connect",
]  # fmt: skip

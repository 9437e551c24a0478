"""The application of a case in packages/client/cases: test/client/python-application.ts says what it does, by lines of JSON.

Each line has `n` and `do`, and is answered by `{"done": n}`. Between them come `{"heard": …}` and, at the end of a call,
`{"end": <its number>, "reason": …}`.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

from portcullis_client import Client, ClientState, RequestError, connect
from portcullis_client.clock import SystemClock


def write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class MovedClock(SystemClock):
    """The real clock, which a case can move on. Chance always gives 0."""

    def __init__(self) -> None:
        self.moved_ms = 0.0
        self._waiting: dict[int, tuple[float, Callable[[], None]]] = {}
        self._keys = itertools.count()

    def now(self) -> float:
        return super().now() + self.moved_ms

    def random(self) -> float:
        return 0.0

    def after(self, ms: float, call: Callable[[], None]) -> Callable[[], None]:
        key = next(self._keys)

        def run() -> None:
            cancel()
            call()

        stop = super().after(ms, run)

        def cancel() -> None:
            stop()
            self._waiting.pop(key, None)

        self._waiting[key] = (self.now() + ms, run)
        return cancel

    def move(self, ms: float) -> None:
        """What is due by then is called, in order."""
        self.moved_ms += ms
        due = sorted((due_ms, key) for key, (due_ms, _) in self._waiting.items() if due_ms <= self.now())
        for _, key in due:
            if key in self._waiting:
                self._waiting[key][1]()


class FailingStorage(dict[str, str]):
    def get(self, *_args: Any) -> Any:
        raise OSError("no storage here")

    def __setitem__(self, key: str, value: str) -> None:
        raise OSError("no storage here")

    def pop(self, *_args: Any) -> Any:
        raise OSError("no storage here")


class PageStorage(dict[str, str]):
    """What outlives a page; a page that is gone writes nothing any more."""

    def __init__(self, kept: dict[str, str], page: Page) -> None:
        super().__init__(kept)
        self._kept, self._page = kept, page

    def __setitem__(self, key: str, value: str) -> None:
        if not self._page.is_gone:
            super().__setitem__(key, value)
            self._kept[key] = value


class Page:
    def __init__(self, case: Case, url: str, options: dict[str, Any]) -> None:
        self.is_gone = False
        storages: dict[str, Callable[[], MutableMapping[str, str]]] = {
            "throws": FailingStorage,
            "kept": lambda: PageStorage(case.kept, self),
        }
        make = storages.get(options.pop("storage", "none"))
        self._hears_states = options.pop("states", False)
        self.client: Client = connect(
            url, lambda reason: case.token(reason), clock=case.clock, storage=None if make is None else make(), **options
        )
        self.client.on("state", self._hear_state)
        self.client.on("event", lambda event: self.hear({"event": event}))
        self.client.on("recovered", lambda told: self.hear({"recovered": told["topics"]}))
        self.client.on("gap", lambda gap: self.hear({"gap": gap["topics"]}))
        self.client.on("denied", lambda denied: self.hear({"denied": denied}))

    def hear(self, one: dict[str, Any]) -> None:
        if not self.is_gone:
            write({"heard": one})

    def _hear_state(self, state: ClientState) -> None:
        if state.status == "open":
            self.hear({"open": state.user_id})
        elif self._hears_states and state.because is not None:
            because = {"because": state.because.name, "code": state.because.code}
            wait = {} if state.retry_in_ms is None else {"retry_in_ms": state.retry_in_ms}
            self.hear({state.status: {**because, **wait}})

    def leave(self) -> None:
        self.is_gone = True
        self.client.close()


class Case:
    def __init__(self) -> None:
        self.clock = MovedClock()
        self.kept: dict[str, str] = {}
        self.user: str | None = "alice"
        self.is_signed_in = True
        self.page: Page | None = None
        self.calls: set[asyncio.Task[None]] = set()

    def token(self, _reason: str) -> str | None:
        """As any issuer makes it; nobody verifies it here."""
        if not self.is_signed_in:
            return None
        claims = {"iss": "https://issuer.example", **({} if self.user is None else {"sub": self.user})}
        payload = base64.urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode()).decode().rstrip("=")
        return f"e30.{payload}.c2ln"

    async def call(self, number: int, name: str, options: dict[str, Any]) -> None:
        assert self.page is not None
        client = self.page.client
        calls: dict[str, Callable[..., Any]] = {"subscribe": client.subscribe, "unsubscribe": client.unsubscribe, "send": client.send}
        reason = ""
        try:
            await calls[name](**options)
        except RequestError as error:
            reason = error.reason
        write({"end": number, "reason": reason})

    def leave(self) -> None:
        if self.page is not None:
            self.page.leave()
            self.page = None

    async def do(self, order: dict[str, Any]) -> None:
        match order["do"]:
            case "open":
                self.page = Page(self, order["url"], dict(order["options"]))
            case "call":
                task = asyncio.get_running_loop().create_task(self.call(order["number"], order["name"], order["options"]))
                self.calls.add(task)
                task.add_done_callback(self.calls.discard)
                # A task begins with the next turn of the loop.
                await asyncio.sleep(0)
            case "sign_in":
                self.user, self.is_signed_in = order["user"], True
            case "sign_out":
                self.is_signed_in = False
            case "close":
                assert self.page is not None
                self.page.client.close()
            case "store":
                self.kept.update(dict.fromkeys(self.kept, order["text"]))
            case "pass":
                self.clock.move(order["ms"])
            case "leave":
                self.leave()
            case other:
                assert other == "settle", other
                for _ in range(10):
                    await asyncio.sleep(0)


async def main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    case = Case()
    while line := await reader.readline():
        order = json.loads(line)
        if order["do"] == "begin":
            case.leave()
            case = Case()
        else:
            await case.do(order)
        write({"done": order["n"]})
    case.leave()


asyncio.run(main())

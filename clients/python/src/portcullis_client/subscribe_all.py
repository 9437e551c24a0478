"""Subscribes to all topics or to none, in as many frames as the gateway's longest list demands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import RequestError
from .frames import Frame, Ids
from .recovery import Recovery
from .resubscribe import Ask
from .topics import halve, longest_list, to_chunks, to_filter_lists, to_topics
from .wanted import Wanted

_MAX_WAITS = 10
"""Waits that the gateway may ask for before a list of several frames is given up."""


def _is_star(topic: str) -> bool:
    return topic.endswith(":*")


@dataclass
class Subscription:
    """One call. `event_types` None: they stay as they are. `last`: how many of the newest events are asked for; None: none.
    `max_ids`: ids that a list may hold, as far as it is known now. `pause` waits ms, at most until the client ends.
    """

    topics: Sequence[str]
    event_types: Ids | None
    last: int | None
    wanted: Wanted
    recovery: Recovery
    max_ids: Callable[[], int]
    ask: Ask
    pause: Callable[[float], Awaitable[None]]

    async def run(self) -> Frame:
        """What is confirmed is wanted from then on; what a later frame's refusal undoes is not: all that this call alone has brought, and
        no other asks for. Raises the `RequestError` of that refusal.
        """
        self._chunks = self._to_frames()
        self._answers: list[Frame] = []
        self._done: list[str] = []
        self._is_split, self._waits = len(self._chunks) > 1, 0
        self.wanted.undecided.begin(self.topics)
        while self._chunks:
            chunk = self._chunks.pop(0)
            narrowed = {} if self._answers or self.event_types is None else {"event_types": self.event_types}
            try:
                await self.ask(
                    {"type": "subscribe", **to_filter_lists(chunk), **narrowed},
                    more=lambda chunk=chunk: self.recovery.recall(chunk, self.last),
                    on_answer=lambda answer, chunk=chunk: self._take(chunk, answer),
                )
            except RequestError as error:
                await self._settle(chunk, error)
        self.wanted.undecided.keep(self.topics, self._done)
        return _join(self._answers)

    def _to_frames(self) -> list[list[str]]:
        """The gateway gives the last events of topics that the connection has not, and refuses a frame that asks for those of others."""
        if not self.topics:
            return [[]]
        if self.last is None:
            return to_chunks(self.topics, self.max_ids())
        before = [topic for topic in self.topics if self.wanted.has(topic)]
        first = [topic for topic in self.topics if topic not in before]
        return to_chunks(first, self.max_ids()) + to_chunks(before, self.max_ids())

    def _take(self, chunk: Sequence[str], answer: Frame) -> None:
        self._answers.append(answer)
        # What `*` came to as well, as another call may name one of it.
        got = [*chunk, *to_topics(answer["agent_ids"], answer["task_ids"])]
        self.wanted.undecided.bring([topic for topic in got if not self.wanted.covers(topic)])
        self._done += got
        self.wanted.add(chunk)
        self.wanted.confirm(answer)

    async def _settle(self, chunk: list[str], error: RequestError) -> None:
        """What becomes of a chunk that was refused: it is asked for again later, or all is undone."""
        # Without an answer it may be subscribed yet.
        if error.reason != "timeout":
            self.recovery.refused(chunk)
        parts = self._parts_of(chunk, error)
        if parts:
            self._is_split = True
            self._chunks[:0] = parts
        elif self._is_split and error.reason == "too_many_requests" and error.retry_after_ms is not None and self._waits < _MAX_WAITS:
            self._waits += 1
            self._chunks.insert(0, chunk)
            await self.pause(error.retry_after_ms)
        else:
            await self._undo()
            raise error

    def _parts_of(self, chunk: list[str], error: RequestError) -> list[list[str]]:
        """Shorter frames, where the gateway takes less than was known when this was asked; else none."""
        if error.reason == "bad_request" and longest_list(chunk) > self.max_ids():
            return to_chunks(chunk, self.max_ids())
        return halve(chunk) if error.reason == "frame_too_large" and len(chunk) > 1 else []

    def _drop(self, undone: Iterable[str]) -> None:
        self.wanted.drop(undone)
        self.recovery.drop(undone)

    async def _undo(self) -> None:
        """Leaves all that the call alone has brought, and no other asks for."""
        undecided = self.wanted.undecided
        undecided.end(self.topics)
        stars = [topic for topic in self.topics if _is_star(topic)]
        brought = dict.fromkeys([*self.topics, *self._done, *undecided.brought_under(stars)])
        self._drop(undecided.take(stars))
        for part in to_chunks([topic for topic in brought if not _is_star(topic)], self.max_ids()):
            # Looked at as each part goes out: others may ask for some of it meanwhile.
            undone = undecided.take(part)
            self._drop(undone)
            if undone:
                try:
                    await self.ask({"type": "unsubscribe", **to_filter_lists(undone)})
                except RequestError:
                    pass


def _join(answers: Sequence[Frame]) -> Frame:
    """One answer in place of several."""
    if len(answers) == 1:
        return answers[0]
    joined: dict[str, Any] = {"type": "subscribed"}
    for name in ("agent_ids", "task_ids"):
        joined[name] = [one for answer in answers for one in answer[name]]
    if answers and isinstance(answers[0].get("positions"), dict):
        joined["positions"] = {topic: at for answer in answers for topic, at in (answer.get("positions") or {}).items()}
    return joined

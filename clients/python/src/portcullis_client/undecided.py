"""What calls of `subscribe` under way ask for, and what they alone have brought: that is left again when they fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from .topics import star_of


class Undecided:
    def __init__(self) -> None:
        self._asking: Counter[str] = Counter()
        """How many calls under way ask for a topic."""
        self._brought: dict[str, None] = {}

    def begin(self, topics: Iterable[str]) -> None:
        """A call asks for these."""
        self._asking.update(topics)

    def bring(self, topics: Iterable[str]) -> None:
        """These are subscribed for a call under way, and nobody had them before."""
        self._brought.update(dict.fromkeys(topics))

    def keep(self, asked: Iterable[str], got: Iterable[str]) -> None:
        """A call that asked for these has succeeded: they stay, whatever becomes of others."""
        self.end(asked)
        for topic in got:
            self._brought.pop(topic, None)

    def end(self, asked: Iterable[str]) -> None:
        """A call that asked for these has failed."""
        for topic in asked:
            if self._asking[topic] > 1:
                self._asking[topic] -= 1
            else:
                del self._asking[topic]

    def brought_under(self, stars: Collection[str]) -> list[str]:
        """What calls have brought of the kinds of these stars: one that failed leaves its ids to a call that asks for the star."""
        return [topic for topic in self._brought if star_of(topic) in stars]

    def take(self, topics: Iterable[str]) -> list[str]:
        """Those of them that only failed calls have brought, and no other asks for. Each is given out once."""
        taken = [
            topic
            for topic in topics
            if topic in self._brought and topic not in self._asking and star_of(topic) not in self._asking
        ]
        for topic in taken:
            self._brought.pop(topic, None)
        return taken

"""What the application listens to, whatever connection there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .frames import Ids
from .topics import kind_of, star_of, to_chunks, to_topics
from .undecided import Undecided


class Wanted:
    """Remembers what is subscribed, so that a new connection can have the same."""

    def __init__(self, agents: Ids | None, tasks: Ids | None) -> None:
        # In the order in which they were asked for: a dictionary is an ordered set.
        self._topics = dict.fromkeys(to_topics(agents, tasks))
        self._listed: dict[str, None] = {}
        """What `*` came to."""
        self.undecided = Undecided()

    def add(self, topics: Iterable[str]) -> None:
        self._topics.update(dict.fromkeys(topics))

    def remove(self, topics: Iterable[str]) -> None:
        """The application leaves them."""
        for topic in topics:
            kind = kind_of(topic)
            if topic == star_of(topic):
                for one in self._of_kind(self._topics, kind):
                    del self._topics[one]
            else:
                self._open_star(kind)
            self._topics.pop(topic, None)
            self._listed.pop(topic, None)

    def drop(self, topics: Iterable[str]) -> None:
        """These are denied: they are not asked for again."""
        for topic in topics:
            self._topics.pop(topic, None)

    def has(self, topic: str) -> bool:
        return topic in self._topics

    def covers(self, topic: str) -> bool:
        """It, or all of its kind."""
        return topic in self._topics or star_of(topic) in self._topics

    def confirm(self, listing: Mapping[str, Any]) -> None:
        """What the gateway said that is subscribed: only `*` needs it, to take single ids out of it later."""
        for kind, name in (("agent:", "agent_ids"), ("task:", "task_ids")):
            if kind + "*" in self._topics:
                self._listed.update(dict.fromkeys(kind + one for one in listing[name]))

    def chunks(self, max_ids: int) -> list[list[str]]:
        """All topics in lists of at most `max_ids` of each kind."""
        return to_chunks(list(self._topics), max_ids)

    @staticmethod
    def _of_kind(topics: Iterable[str], kind: str) -> Sequence[str]:
        return [topic for topic in topics if topic.startswith(kind)]

    def _open_star(self, kind: str) -> None:
        """All but one: from then on it is a list, or the one would be back with the next connection."""
        if kind + "*" in self._topics:
            del self._topics[kind + "*"]
            self.add(self._of_kind(self._listed, kind))

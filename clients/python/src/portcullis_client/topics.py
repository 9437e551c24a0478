"""Topics, and the lists of ids that frames have of them. A topic is written `agent:<id>` or `task:<id>`; `*` stands for all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .errors import RequestError
from .frames import Ids

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TARGET = re.compile(r"(agent|task):[A-Za-z0-9._:-]{1,128}")
_MAX_ID_LENGTH = 64
_KINDS = ("agent:", "task:")


def _bad(message: str) -> RequestError:
    return RequestError("bad_request", message)


def kind_of(topic: str) -> str:
    """With its colon."""
    return topic[: topic.index(":") + 1]


def star_of(topic: str) -> str:
    """The topic that stands for all of its kind."""
    return kind_of(topic) + "*"


def check_ids(name: str, ids: object) -> None:
    """Raises on what the gateway would count as a malformed frame: the third of those within a minute ends a connection."""
    if ids is None or ids == "*":
        return
    if isinstance(ids, str) or not isinstance(ids, Sequence) or len(ids) == 0:
        raise _bad(f"{name}: a list of ids that is not empty, or '*'")
    if not all(isinstance(one, str) and _ID.fullmatch(one) for one in ids):
        raise _bad(f"{name}: an id is 1 to 128 of A-Z a-z 0-9 . _ : -")


def check_last(last: object) -> None:
    """The same for a number of last events."""
    if last is not None and not (isinstance(last, int) and not isinstance(last, bool) and last >= 1):
        raise _bad("last: 1 or more")


def check_message(to: object, message_id: object) -> None:
    """The same for a message: its target, and its id, which may be left out."""
    if not isinstance(to, str) or not _TARGET.fullmatch(to):
        raise _bad("to: agent:<id> or task:<id>")
    if message_id is not None and not (isinstance(message_id, str) and 1 <= len(message_id) <= _MAX_ID_LENGTH):
        raise _bad(f"id: 1 to {_MAX_ID_LENGTH} characters")


def to_topics(agents: Ids | None, tasks: Ids | None) -> list[str]:
    """The topics of two lists, each once."""
    topics: list[str] = []
    for kind, ids in zip(_KINDS, (agents, tasks)):
        topics += [kind + one for one in (["*"] if ids == "*" else dict.fromkeys(ids or ()))]
    return topics


def _of_kind(topics: Iterable[str], kind: str) -> list[str]:
    return [topic for topic in topics if topic.startswith(kind)]


def to_chunks(topics: Sequence[str], max_ids: int) -> list[list[str]]:
    """The topics in lists of at most `max_ids` of each kind; `*` covers all of its kind."""
    chunks: list[list[str]] = []
    for kind in _KINDS:
        listed = [kind + "*"] if kind + "*" in topics else _of_kind(topics, kind)
        for n, start in enumerate(range(0, len(listed), max_ids)):
            if n == len(chunks):
                chunks.append([])
            chunks[n] += listed[start : start + max_ids]
    return chunks


def halve(topics: Sequence[str]) -> list[list[str]]:
    """Halves tell which of a frame's topics is denied, as the gateway denies the whole for one."""
    middle = (len(topics) + 1) // 2
    return [list(topics[:middle]), list(topics[middle:])]


def longest_list(topics: Iterable[str]) -> int:
    """The length of the longer of a chunk's two lists."""
    return max(len(_of_kind(list(topics), kind)) for kind in _KINDS)


def to_filter_lists(topics: Iterable[str]) -> dict[str, Ids]:
    """The lists of a frame. An empty one is left out, as the gateway refuses it."""
    lists: dict[str, Ids] = {}
    for kind, name in zip(_KINDS, ("agent_ids", "task_ids")):
        ids = [topic[len(kind) :] for topic in _of_kind(topics, kind)]
        if ids:
            lists[name] = "*" if "*" in ids else ids
    return lists

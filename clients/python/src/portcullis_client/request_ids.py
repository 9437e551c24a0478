"""Ids of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PREFIX_LETTERS = 8


def create_ids(random: Callable[[], float]) -> Iterator[str]:
    """The ids of one client: 8 letters of its own and a number that grows. Another process is another client: a back end that tells
    repeats by `user_id` and `id` must not take its messages for those of this one. `random`: 0 or more, below 1.
    """
    prefix = "".join(_LETTERS[int(random() * len(_LETTERS))] for _ in range(_PREFIX_LETTERS))
    return (f"{prefix}-{n}" for n in count(1))

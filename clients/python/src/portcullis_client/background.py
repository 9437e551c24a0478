"""Work that nobody waits for, and that ends with its owner."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Holds tasks: the event loop itself keeps only weak references, so one that nobody holds may vanish half done."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A fault in it is reported to the loop's exception handler."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            report_fault(error)

    async def finished(self) -> None:
        """Waits until nothing is left of it."""
        while others := [task for task in self._tasks if task is not asyncio.current_task()]:
            await asyncio.wait(others)


def report_fault(error: BaseException) -> None:
    """A fault of the application, or of the client, is seen and stops nothing else."""
    asyncio.get_running_loop().call_exception_handler({"message": "portcullis_client: a fault", "exception": error})

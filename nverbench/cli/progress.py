"""Progress on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nverbench._io.text import escape_control_characters

SLOW = 15.0
"""Seconds between plain lines."""


@contextmanager
def watching() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Show progress while the block runs, through a function ``(stage, total) -> tick(steps)``."""
    if sys.stderr.isatty():
        yield from _bars()
    else:
        yield _plain


def _bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def watch(stage: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(escape_control_characters(stage), total=total)

            def tick(steps: int) -> None:
                progress.advance(task, steps)
                if progress.tasks[progress.task_ids.index(task)].finished:
                    progress.remove_task(task)

            return tick

        yield watch


def _plain(stage: str, total: int) -> Callable[[int], None]:
    began = printed = time.monotonic()
    done, shown = 0, escape_control_characters(stage)

    def tick(steps: int) -> None:
        nonlocal done, printed
        done += steps
        now = time.monotonic()
        if done >= total and now - began > 1.0:
            print(f"  {shown}: {total}/{total} in {now - began:.1f} s", file=sys.stderr, flush=True)
        elif done < total and now - printed > SLOW:
            printed = now
            print(f"  {shown}: {done}/{total}", file=sys.stderr, flush=True)

    return tick

"""What the commands print with, and the error that is a sentence for the user."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        # a terminal that has no ✓ shows a question mark: nothing is worth a failure here
        _stream.reconfigure(errors="replace")

console = Console(highlight=False, soft_wrap=True)


class UserError(Exception):
    """Something the user can mend; the message says what happened and what to do next."""


class Steps:
    """Prints the steps of a long command as they begin and end, and keeps their seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[Callable[[str], None]]:
        """Time one step.

        Args:
            name: Key of the step in `seconds`.
            text: What the user reads while it runs.

        Yields:
            Takes what the user reads beside it, as how far the step is.
        """
        begin = time.monotonic()
        with console.status(f"{text} ...") as status:
            yield lambda progress: status.update(f"{text}: {progress} ...")
        took = time.monotonic() - begin
        self.seconds[name] = round(took, 2)
        console.print(f"[green]✓[/] {text} [dim]({took:.1f} s)[/]")

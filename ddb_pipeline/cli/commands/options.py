"""What the definitions of several commands share: help with examples, and options of one name and one meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

PORT = click.IntRange(1, 65535)

stage_option = click.option("--stage", required=True, metavar="NAME", help="Stage of pipeline.toml, such as dev.")


def examples(*commands: str) -> str:
    """Return the end of a help page; the mark keeps click from filling the lines."""
    return "\n".join(("\b", "Examples:" if len(commands) > 1 else "Example:", *(f"  {line}" for line in commands)))


def pipeline_option(meaning: str) -> Callable[[Any], Any]:
    """Return the option `--pipeline`, which reaches the command as `pipeline_name`.

    Args:
        meaning: What it chooses, as the help says it.
    """
    return click.option("--pipeline", "pipeline_name", help=f"{meaning}; needed when there are several.")

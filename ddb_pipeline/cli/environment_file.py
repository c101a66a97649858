"""The `.env` of the local stage: written by `local up`, and never over one of the user's own without asking."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from ddb_pipeline.cli.console import UserError

_HEADER = "# Written by `ddb-pipeline local up`: the stage that Dagster and `ddb-pipeline query` use."


def _text(settings: dict[str, str]) -> str:
    return "\n".join([_HEADER, *(f"{name}={value}" for name, value in settings.items())]) + "\n"


def confirm_overwrite(file: Path, settings: dict[str, str], *, overwrite: bool) -> None:
    """Ask before a `.env` of the user's own is lost; one that `local up` wrote, for whatever port, may go."""
    if not file.exists() or overwrite:
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    if re.sub(r"http://127\.0\.0\.1:\d+", settings["AWS_ENDPOINT_URL"], text) == _text(settings):
        return
    if not os.isatty(0):
        raise UserError(f"{file} is there and has other content: move it away, or overwrite it with --yes")
    if not click.confirm(f"{file} is there and has other content. Overwrite it?"):
        raise UserError("nothing was started")


def write_environment(file: Path, settings: dict[str, str]) -> None:
    """Write the settings of the local stage, over whatever is there."""
    file.write_text(_text(settings), encoding="utf-8")

"""The `.env` of a stage. `local up` writes a whole one, and never over one of the user's own without asking.

For a stage on AWS its settings are put into what the user has there. Secrets are never written.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

import click
from dotenv.parser import parse_stream

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.resources.settings import STAGE_VARIABLE

_HEADER = "# Written by `ddb-pipeline local up`: the stage that Dagster and `ddb-pipeline query` use."

_HEADER_ON_AWS = "# The stage that Dagster and `ddb-pipeline query` use: `ddb-pipeline env` and `deploy` write it."

_PLAIN = re.compile(r"[\w.:/@%+=,-]*")
_OF_A_STAGE = re.compile(r"(DDB_PIPELINE_STAGE|AWS_\w+)")
"""Variables that belong to one stage: left behind by another, they would lead to the wrong account."""


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


def merged(text: str, settings: Mapping[str, str]) -> str:
    """Return a `.env` with the settings of a stage put into it.

    Everything else stays as it is. What belongs to another stage (its endpoint, its credentials) would lead there, so
    it becomes a comment. Of the same stage only what the settings name is replaced.

    Args:
        text: What is in the file.
        settings: Variables of the stage, its name among them.
    """
    bindings = list(parse_stream(io.StringIO(text)))
    before = next((found.value for found in reversed(bindings) if found.key == STAGE_VARIABLE), None)
    is_other = before is not None and before != settings[STAGE_VARIABLE]
    lines: list[str] = []
    left = dict(settings)
    for found in bindings:
        original = found.original.string
        if original.strip() == _HEADER:
            continue  # it says who wrote the file, which is no longer so
        if found.key in settings:
            # once: of two lines of one name the last one holds
            if found.key in left:
                lines.append(_line(found.key, left.pop(found.key)))
        elif is_other and found.key is not None and _OF_A_STAGE.fullmatch(found.key):
            lines += [f"# of stage {before}: {line}\n" for line in original.splitlines()]
        else:
            lines.append(original if original.endswith("\n") else original + "\n")
    if not lines:
        lines.append(_HEADER_ON_AWS + "\n")
    return "".join(lines) + "".join(_line(name, value) for name, value in left.items())


def _line(name: str, value: str) -> str:
    """A line that is read as this very value: a profile may have blanks in its name, or a mark of a comment."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}\n"
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{quoted}'\n"


def write_stage(file: Path, settings: Mapping[str, str]) -> bool:
    """Put the settings of a stage on AWS into a `.env`.

    Args:
        file: The file; made if it is not there.
        settings: Variables of the stage, its name among them.

    Returns:
        Whether anything had to be changed.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    wanted = merged(text, settings)
    if wanted == text:
        return False
    # an interrupt must not leave half of somebody's file; a link to one stays a link
    target = file.resolve()
    beside = target.with_name(f"{target.name}.new")
    beside.write_text(wanted, encoding="utf-8")
    if target.exists():
        beside.chmod(target.stat().st_mode)
    beside.replace(target)
    return True

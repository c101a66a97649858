"""Which pipeline a command is about, where there may be several."""

from __future__ import annotations

from collections.abc import Iterable

from ddb_pipeline.cli.console import UserError


def chosen_pipeline(pipelines: Iterable[str], name: str | None) -> str:
    """Return the named pipeline, or the only one.

    Args:
        pipelines: Names of all.
        name: What the user said; None: nothing.

    Raises:
        UserError: None of that name, or several to choose from.
    """
    known = sorted(pipelines)
    if name is None and len(known) == 1:
        return known[0]
    if name is None or name not in known:
        what = "say which pipeline" if name is None else f"there is no pipeline '{name}'"
        raise UserError(f"{what}: --pipeline {' or '.join(known)}")
    return name

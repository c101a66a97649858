"""After a deployment: whether the tables that existed stream, for no canary is written into them to see it."""

from __future__ import annotations

from collections.abc import Mapping

from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.cli.described_tables import NoTableError, destinations
from ddb_pipeline.cli.place import Place
from ddb_pipeline.declaration import Declaration, Pipeline
from ddb_pipeline.errors import NotDeployedError
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.resources.aws import published_names
from ddb_pipeline.resources.table_export import STREAMING


def require_streaming(declaration: Declaration, place: Place) -> None:
    """Check that each existing table of a stage streams into its pipeline's stream, and say when changes will show.

    Raises:
        UserError: One does not, with the command that helps.
        PipelineError: DynamoDB cannot be asked.
    """
    problems = []
    for pipeline in declaration.pipelines.values():
        if pipeline.existing_table.of(place.stage) is None:
            continue
        try:
            names = published_names(pipeline.name, place.settings)
        except NotDeployedError:
            # as after options that let the CDK prepare only: whoever writes `.env` says so
            continue
        states = _states(place, names)
        if states is None:
            continue
        if states.get(names.change_stream) not in STREAMING:
            problems.append(_problem(pipeline, names, states))
            continue
        console.print(
            f"  pipeline {pipeline.name}: no canary in {names.table}, which is a table of yours. It streams; its next "
            f"change should be in S3 about {declaration.stage(place.stage).buffer_seconds + 60} seconds later"
        )
    if problems:
        raise UserError("\n".join(problems))


def _states(place: Place, names: PublishedNames) -> dict[str, str] | None:
    """The states of a table's destinations, by name of the stream; None: nobody can say, which is printed."""
    try:
        found = destinations(place, names.table)
    except NoTableError:
        return {}
    return None if found is None else {arn.rpartition("/")[2]: state for arn, state in found.items()}


def _problem(pipeline: Pipeline, names: PublishedNames, states: Mapping[str, str]) -> str:
    found = ", ".join(f"{stream}: {state}" for stream, state in sorted(states.items())) or "it has no destination"
    return (
        f"pipeline {pipeline.name}: table {names.table} does not stream to {names.change_stream} ({found}), and "
        f"another deployment would pass over that: {names.streaming_command}"
    )

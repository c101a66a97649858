"""Whether the existing tables of `pipeline.toml` fit its stages and each other. Standard library only."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ddb_pipeline.declaration.pipelines import Pipeline
from ddb_pipeline.toml_table import Table, listed


def check_existing_tables(
    pipelines: Mapping[str, Pipeline], tables: Mapping[str, Table], stages: Collection[str]
) -> None:
    """Refuse existing tables that no stage has, that two pipelines would stream, or that contradict other settings.

    Args:
        pipelines: The pipelines by name.
        tables: Where each was read.
        stages: Names of the declared stages.

    Raises:
        DeclarationError: There is such a table.
    """
    streamed: dict[tuple[str, str], str] = {}
    for name, pipeline in pipelines.items():
        table = tables[name]
        _check_stages(pipeline, table, stages)
        _check_settings(pipeline, table, stages)
        for stage in stages:
            existing = pipeline.existing_table.of(stage)
            if existing is None:
                continue
            other = streamed.setdefault((stage, existing), name)
            if other != name:
                table.fail(
                    "existing_table",
                    existing,
                    f"a table that no other pipeline streams in stage {stage}: pipelines.{other} does, and DynamoDB "
                    "streams a table to one Kinesis stream only",
                )


def _check_stages(pipeline: Pipeline, table: Table, stages: Collection[str]) -> None:
    for key, by_stage in (
        ("existing_table", pipeline.existing_table),
        ("existing_table_key", pipeline.existing_table_key),
    ):
        for stage, value in by_stage.stages:
            if stage not in stages:
                table.fail(f"{key}.{stage}", value, f"a declared stage: {listed(stages)}")


def _check_settings(pipeline: Pipeline, table: Table, stages: Collection[str]) -> None:
    made = [stage for stage in stages if pipeline.existing_table.of(stage) is None]
    for stage in made:
        key = pipeline.existing_table_key.of(stage)
        if key is not None:
            table.fail(
                "existing_table_key",
                key,
                f"nothing for stage {stage}, where the stack makes the table and encrypts it with the stage's own key",
            )
    if not made and pipeline.time_to_live_attribute is not None:
        table.fail(
            "time_to_live_attribute",
            pipeline.time_to_live_attribute,
            "nothing where every stage has an existing_table: its time to live is never changed",
        )

"""Whether an existing table of `pipeline.toml` fits the stages and other pipelines. Standard library only."""

from __future__ import annotations

from collections.abc import Collection

from ddb_pipeline.declaration.pipelines import Pipeline
from ddb_pipeline.toml_table import Table, listed


def check_existing_table(
    pipeline: Pipeline, others: Collection[Pipeline], table: Table, stages: Collection[str]
) -> None:
    """Refuse an existing table that no stage has, that two pipelines would stream, or that contradicts other settings.

    Args:
        pipeline: The pipeline.
        others: Those that were read before it.
        table: Where it was read.
        stages: Names of the declared stages.

    Raises:
        DeclarationError: It is such a table.
    """
    _check_stages(pipeline, table, stages)
    _check_settings(pipeline, table, stages)
    for stage in stages:
        existing = pipeline.existing_table.of(stage)
        for other in others:
            if existing is not None and other.existing_table.of(stage) == existing:
                table.fail(
                    "existing_table",
                    existing,
                    f"a table that no other pipeline streams in stage {stage}: pipelines.{other.name} does, and "
                    "DynamoDB streams a table to one Kinesis stream only",
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

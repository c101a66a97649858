"""What the definitions of one pipeline have in common: keys, owners, groups, and how errors reach the UI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dagster import AssetKey, Backoff, Failure, Jitter, MetadataValue, RetryPolicy, TableColumn, TableSchema

from ddb_pipeline.change_row import Column
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.names import ComputedNames
from ddb_pipeline.refreshes import LIMITED_RUN_SECONDS

OWNERS = ("team:data-engineering",)
SOURCE_GROUP = "source"
CHANGES_GROUP = "changes"
VIEWS_GROUP = "views"

CRAWL_POOL = "glue_crawler"
"""Pool of the steps that crawl: how many at a time, `concurrency` of dagster.yaml says."""

QUERY_POOL = "athena"
"""Pool of the steps that ask Athena."""

MEASURE_TAG = "ddb_pipeline/measure"
"""Run tag that asks for row counts and previews in a stage with `measure = "daily"`."""

RUN_LIMIT_TAG = "dagster/max_runtime"
"""Run tag: how many seconds the run may take (Dagster docs, "Run monitoring"); without it, dagster.yaml says."""
LIMITED_RUN = {RUN_LIMIT_TAG: str(LIMITED_RUN_SECONDS)}
"""Tag of a job whose runs take minutes. One that lost its process in a crash of the machine holds its places among the
runs and in the pools until then, and not for the hours that a baseline may take (`max_runtime_seconds` of
dagster.yaml)."""

RETRY_TRANSIENT = RetryPolicy(max_retries=2, delay=5, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)


def asset_key(pipeline: Pipeline, name: str) -> AssetKey:
    """Return the key of a pipeline's asset."""
    return AssetKey([pipeline.name, name])


def table_name(pipeline: Pipeline, stage: str | None, name: str) -> str:
    """Return how SQL names a table or view; without its database as long as no stage is configured."""
    return f"{ComputedNames(pipeline.name, stage).database}.{name}" if stage else name


def table_schema(columns: Iterable[Column]) -> TableSchema:
    """Return columns as Dagster shows them."""
    return TableSchema([TableColumn(column.name, column.type, column.comment) for column in columns])


@contextmanager
def failing_plainly() -> Iterator[None]:
    """Let a step fail with the one sentence of a `PipelineError`; only what may pass is retried."""
    try:
        yield
    except PipelineError as error:
        links = {name: MetadataValue.url(url) for name, url in error.links.items()}
        raise Failure(description=str(error), metadata=links, allow_retries=error.transient) from error

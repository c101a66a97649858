"""What local Athena answers for a view over rows that a test makes up, with no server between."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from ddb_pipeline import baselines, change_row
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.local_aws.athena.dialect import parse_statement
from ddb_pipeline.local_aws.athena.query import QueryCompiler
from ddb_pipeline.local_aws.athena.relations import Field, Relation, Table
from ddb_pipeline.local_aws.athena.types import Type, duckdb_type, from_hive
from ddb_pipeline.view_sql import NOTHING_KNOWN, ViewInputs, select_statement, views
from ddb_pipeline_tests.declared import NAMES, pipeline

Row = dict[str, Any]

PERSONS = pipeline()


def _table(name: str, columns: Sequence[change_row.Column], partition_columns: Sequence[change_row.Column]) -> Table:
    fields = [
        tuple(Field(column.name, from_hive(column.type) or Type("varchar")) for column in some)
        for some in (columns, partition_columns)
    ]
    return Table(NAMES.database, name, fields[0], fields[1], ())


_TABLES = {
    **{
        table.name: _table(table.name, change_row.COLUMNS, change_row.PARTITION_COLUMNS)
        for table in NAMES.change_tables
    },
    baselines.TABLE_NAME: _table(
        baselines.TABLE_NAME, baselines.BASELINE_COLUMNS, baselines.BASELINE_PARTITION_COLUMNS
    ),
}


def answer(
    engine: duckdb.DuckDBPyConnection,
    view: str,
    changes: Sequence[Row],
    inputs: ViewInputs = NOTHING_KNOWN,
    baseline: Sequence[Row] = (),
    *,
    pipeline: Pipeline = PERSONS,
    other: Sequence[Row] = (),
) -> list[Row]:
    """Return the rows of a view.

    Args:
        engine: A connection of local Athena.
        view: Name of the view.
        changes: Rows of the change table; columns that a row lacks are NULL.
        inputs: What the view's SQL depends on.
        baseline: Rows of the table of baselines.
        pipeline: The pipeline.
        other: Rows of the change table of the other format.
    """
    compiler, relation = _compiled(view, pipeline, inputs)
    contents = {NAMES.change_table: changes, NAMES.other_change_table: other, baselines.TABLE_NAME: baseline}
    for scan in compiler.scans:
        fields = (*scan.table.columns, *scan.table.partition_columns)
        columns = {
            f"c{i}": [row.get(field.name) for row in contents[scan.table.name]] for i, field in enumerate(fields, 1)
        }
        engine.register("given", pa.table(columns))
        converted = ", ".join(
            f"CAST({name} AS {duckdb_type(field.type)}) AS {name}" for name, field in zip(columns, fields, strict=True)
        )
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {scan.name} AS SELECT {converted} FROM given")
        engine.unregister("given")
    names = [field.name for field in relation.fields]
    return [dict(zip(names, line, strict=True)) for line in engine.execute(relation.sql).fetchall()]


def tables_read(view: str, inputs: ViewInputs = NOTHING_KNOWN, *, pipeline: Pipeline = PERSONS) -> list[str]:
    """Return the tables that local Athena's plan of a view reads, each as often as it reads it."""
    compiler, relation = _compiled(view, pipeline, inputs)
    tables = {scan.name: scan.table.name for scan in compiler.scans}
    return [tables[name] for name in re.findall(r"\bscan_[0-9]+\b", relation.sql)]


def hours_read(view: str, inputs: ViewInputs = NOTHING_KNOWN) -> dict[str, list[str]]:
    """Return what local Athena's plan of a view asks of the hours of each table, so that it reads no others."""
    compiler, _ = _compiled(view, PERSONS, inputs)
    return {scan.table.name: scan.predicates for scan in compiler.scans}


@cache
def _compiled(view: str, pipeline: Pipeline, inputs: ViewInputs) -> tuple[QueryCompiler, Relation]:
    (declared,) = [one for one in views(pipeline, inputs) if one.name == view]
    sql = select_statement(declared, pipeline, NAMES, inputs)
    compiler = QueryCompiler(sql, None, datetime(2026, 1, 1, tzinfo=UTC), lambda _database, name: _TABLES[name])
    return compiler, compiler.compile(parse_statement(sql))

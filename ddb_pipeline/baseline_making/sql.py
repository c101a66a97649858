"""The statements that write, verify and question baselines. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ddb_pipeline.baselines import (
    BASELINE_COLUMNS,
    BASELINE_PARTITION_COLUMNS,
    CANDIDATE_TABLE,
    EXPORTED_TABLE,
    Baseline,
)
from ddb_pipeline.change_row import ROW_VERSION, Column
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.sql_text import quote_identifier, quote_literal
from ddb_pipeline.view_sql import STATE_VIEW, ViewInputs, change_rows, hours_since, select_statement, views

# the hidden column keeps its name where rows of two tables are one relation
_PATH = '"$path" AS "$path"'
# a statement has 262,144 bytes at most (athena/latest/ug/service-limits.html)
_LONGEST_LIST = 200_000
_TRINO_TYPES = {"string": "varchar", "int": "integer"}


def snapshot_statement(
    pipeline: Pipeline,
    names: PublishedNames,
    *,
    baseline_id: str,
    as_of_us: int,
    parent: Baseline | None,
    other_change_table: str,
) -> str:
    """Return the statement that writes the state just before a moment as rows of a baseline.

    The state is that of the view `latest_item_state`. The hash is made of the image's own text, which the converter
    hashed: the same bytes have the same hash.

    Args:
        pipeline: The pipeline.
        names: Its names.
        baseline_id: Id of the new baseline.
        as_of_us: The moment, epoch microseconds.
        parent: The baseline to start from; None: from the first change.
        other_change_table: The change table of the other format, where it holds something.
    """
    (view,) = (view for view in views(pipeline) if view.name == STATE_VIEW)
    inputs = ViewInputs(baseline=parent, as_of_us=as_of_us - 1, other_change_table=other_change_table)
    state = select_statement(view, pipeline, names, inputs)
    values = {
        "row_version": str(ROW_VERSION),
        "event_id": "event_id",
        "event_name": "'BASELINE'",
        "table_name": quote_literal(names.table),
        "aws_region": quote_literal(names.region),
        "changed_at_us": "changed_at_us",
        "item_key": "item_key",
        "new_image": "image",
        "new_hash": "substr(lower(to_hex(sha256(to_utf8(image)))), 1, 32)",
        "new_item": "item",
        "expired_by_ttl": "false",
        "state_certain": "state_certain",
    }
    # what only a change has is null
    columns = ",\n    ".join(_cast(values.get(column.name, "NULL"), column) for column in BASELINE_COLUMNS)
    return "\n".join(
        [
            f"INSERT INTO {_table(names, CANDIDATE_TABLE)}",
            f"SELECT\n    {columns},\n    {_id(baseline_id)}",
            f"FROM (\n{state}\n) AS state",
        ]
    )


def export_statement(names: PublishedNames, *, baseline_id: str) -> str:
    """Return the statement that writes the converted items of an export as rows of a baseline."""
    columns = ", ".join(column.name for column in BASELINE_COLUMNS)
    return (
        f"INSERT INTO {_table(names, CANDIDATE_TABLE)}\n"
        f"SELECT {columns}, {_id(baseline_id)}\n"
        f"FROM {_table(names, EXPORTED_TABLE)}\n"
        f"WHERE baseline_id = {quote_literal(baseline_id)}"
    )


def verification_statement(names: PublishedNames, *, baseline_id: str) -> str:
    """Return the query that counts what was written: rows, keys, rows that are no state, uncertain ones."""
    return "\n".join(
        [
            "SELECT",
            "    count(*) AS all_rows,",
            "    count(DISTINCT item_key) AS all_keys,",
            "    count_if(item_key IS NULL OR new_hash IS NULL OR new_image IS NULL OR new_item IS NULL",
            f"        OR changed_at_us IS NULL OR table_name <> {quote_literal(names.table)}) AS broken_rows,",
            "    count_if(NOT state_certain) AS uncertain_rows",
            f"FROM {_table(names, CANDIDATE_TABLE)}",
            f"WHERE baseline_id = {quote_literal(baseline_id)}",
        ]
    )


def late_objects_statement(
    names: PublishedNames,
    *,
    cut_us: int,
    first_hour: datetime,
    last_hour: datetime,
    paths: Sequence[str],
    holds_earlier: bool = True,
    other_change_table: str = "",
) -> str:
    """Return the query for raw objects that hold changes from before a cut.

    Args:
        names: Names of the pipeline.
        cut_us: The cut, epoch microseconds.
        first_hour: First hour of arrival to look into.
        last_hour: Last hour of arrival to look into.
        paths: The objects that matter. If a statement can name them, no others are looked into.
        holds_earlier: False: changes since the cut are looked for instead.
        other_change_table: The change table of the other format, where it holds something.
    """
    only = _among(paths)
    return "\n".join(
        [
            'SELECT "$path" AS path, count(*) AS changes, min(changed_at_us) AS oldest_us',
            f"FROM {change_rows([_PATH], names, other_change_table)}",
            f"WHERE {_late(names, cut_us, first_hour, last_hour, holds_earlier=holds_earlier)}",
            *([only] if len(only.encode()) <= _LONGEST_LIST else []),
            'GROUP BY "$path"',
        ]
    )


def late_keys_statement(
    names: PublishedNames,
    *,
    cut_us: int,
    first_hour: datetime,
    last_hour: datetime,
    paths: Sequence[str],
    limit: int,
    holds_earlier: bool = True,
    other_change_table: str = "",
) -> str:
    """Return the query for the items whose changes from before a cut, or since, are in some raw objects."""
    return "\n".join(
        [
            "SELECT item_key, min(changed_at_us) AS changed_at_us, min(event_id) AS event_id",
            f"FROM {change_rows([_PATH, 'item_key', 'event_id'], names, other_change_table)}",
            f"WHERE {_late(names, cut_us, first_hour, last_hour, holds_earlier=holds_earlier)}",
            _among(paths),
            f"GROUP BY item_key ORDER BY changed_at_us, item_key LIMIT {limit}",
        ]
    )


def _among(paths: Sequence[str]) -> str:
    return f'    AND "$path" IN ({", ".join(map(quote_literal, paths))})'


def _late(names: PublishedNames, cut_us: int, first_hour: datetime, last_hour: datetime, *, holds_earlier: bool) -> str:
    conditions = [
        f"table_name = {quote_literal(names.table)}",
        *hours_since(first_hour),
        f"concat(year, month, day, hour) <= {quote_literal(f'{last_hour:%Y%m%d%H}')}",
        f"changed_at_us {'<' if holds_earlier else '>='} {cut_us}",
    ]
    return "\n    AND ".join(conditions)


def _cast(value: str, column: Column) -> str:
    return f"CAST({value} AS {_TRINO_TYPES.get(column.type, column.type)}) AS {column.name}"


def _id(baseline_id: str) -> str:
    (column,) = BASELINE_PARTITION_COLUMNS
    return f"CAST({quote_literal(baseline_id)} AS varchar) AS {column.name}"


def _table(names: PublishedNames, table: str) -> str:
    return f"{quote_identifier(names.database)}.{quote_identifier(table)}"

"""Which rows of the change table and of the table of baselines a view reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ddb_pipeline.baselines import CERTAIN_COLUMN, first_hour_since
from ddb_pipeline.baselines import TABLE_NAME as BASELINE_TABLE
from ddb_pipeline.change_row import PARTITION_COLUMNS
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.sql_text import quote_identifier, quote_literal
from ddb_pipeline.view_sql.inputs import ViewInputs

# what every reading of the change tables needs beside its own columns: which rows count, and which hours are read
_AND = "\n        AND "
_CONDITION_COLUMNS = ("table_name", "changed_at_us", *(column.name for column in PARTITION_COLUMNS))


def change_rows(columns: Iterable[str], names: PublishedNames, other_change_table: str) -> str:
    """Return what stands for the change tables in a FROM: the table, or where there are two, all rows of both.

    Conditions stand outside: Trino pushes them through UNION ALL to each table, whose hours and columns it reads then.

    Args:
        columns: Columns that are read, beside those that conditions need.
        names: Names of the pipeline.
        other_change_table: The change table of the other format; empty: only the one is read that is filled now.
    """
    tables = (names.change_table, other_change_table) if other_change_table else (names.change_table,)
    quoted = [f"{quote_identifier(names.database)}.{quote_identifier(table)}" for table in tables]
    if len(quoted) == 1:
        return quoted[0]
    read = ", ".join(dict.fromkeys([*columns, *_CONDITION_COLUMNS]))
    first, second = ("\n        ".join([f"SELECT {read}", f"FROM {table}"]) for table in quoted)
    return f"(\n        {first}\n        UNION ALL\n        {second}\n    ) AS changes_of_both_formats"


def change_conditions(names: PublishedNames, inputs: ViewInputs, *, bounded: bool) -> str:
    """Return which rows of the change table count.

    Args:
        names: Names of the pipeline.
        inputs: Baseline and moment.
        bounded: Whether the baseline bounds what is read: its own rows stand for what was before the cut.
    """
    conditions = [f"table_name = {quote_literal(names.table)}"]
    if bounded and inputs.baseline is not None:
        conditions += _since(inputs.baseline.cut_us, inputs.baseline.first_hour)
    return _AND.join([*conditions, *_moments(inputs)])


def moment_condition(inputs: ViewInputs) -> str:
    """Return which rows of the change table count for a view that looks at other tables' records too."""
    return _AND.join(_moments(inputs) or ["true"])


def _moments(inputs: ViewInputs) -> list[str]:
    since = [] if inputs.since_us is None else _since(inputs.since_us, first_hour_since(inputs.since_us))
    return [*since, *([] if inputs.as_of_us is None else [f"changed_at_us <= {inputs.as_of_us}"])]


def hours_since(first: datetime) -> list[str]:
    """Return the conditions that an hour is a given one or later.

    Partition columns are strings; each condition on them alone lets Athena leave hours out.
    """
    return [
        f"year >= {quote_literal(f'{first:%Y}')}",
        f"concat(year, month, day, hour) >= {quote_literal(f'{first:%Y%m%d%H}')}",
    ]


def _since(moment_us: int, first: datetime) -> list[str]:
    return [*hours_since(first), f"changed_at_us >= {moment_us}"]


def baseline_rows(columns: Sequence[str], names: PublishedNames, inputs: ViewInputs) -> str:
    """Return what adds the baseline's rows to those of the change table; empty where there is no baseline.

    Args:
        columns: Columns that both tables have and the view reads.
        names: Names of the pipeline.
        inputs: The baseline.
    """
    if inputs.baseline is None:
        return ""
    table = f"{quote_identifier(names.database)}.{quote_identifier(BASELINE_TABLE)}"
    return "\n    ".join(
        [
            "",
            "UNION ALL",
            f"SELECT {', '.join(columns)}, 0 AS instant_us, true AS from_baseline, {CERTAIN_COLUMN.name} AS certain",
            f"FROM {table}",
            f"WHERE baseline_id = {quote_literal(inputs.baseline.baseline_id)}",
            f"    AND table_name = {quote_literal(names.table)}",
        ]
    )

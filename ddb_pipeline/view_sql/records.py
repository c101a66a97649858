"""Which rows of the change table and of the table of baselines a view reads."""

from __future__ import annotations

from collections.abc import Sequence

from ddb_pipeline.baselines import CERTAIN_COLUMN
from ddb_pipeline.baselines import TABLE_NAME as BASELINE_TABLE
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.sql_text import quote_identifier, quote_literal
from ddb_pipeline.view_sql.inputs import ViewInputs


def change_conditions(names: PublishedNames, inputs: ViewInputs, *, bounded: bool) -> str:
    """Return which rows of the change table count.

    Args:
        names: Names of the pipeline.
        inputs: Baseline and moment.
        bounded: Whether the baseline bounds what is read: its own rows stand for what was before the cut.
    """
    conditions = [f"table_name = {quote_literal(names.table)}"]
    if bounded and inputs.baseline is not None:
        first = inputs.baseline.first_hour
        # partition columns are strings; each condition on them alone lets Athena leave hours out
        conditions.append(f"year >= {quote_literal(f'{first:%Y}')}")
        conditions.append(f"concat(year, month, day, hour) >= {quote_literal(f'{first:%Y%m%d%H}')}")
        conditions.append(f"changed_at_us >= {inputs.baseline.cut_us}")
    if inputs.as_of_us is not None:
        conditions.append(moment_condition(inputs))
    return "\n        AND ".join(conditions)


def moment_condition(inputs: ViewInputs) -> str:
    """Return which rows of the change table count for a view that looks at other tables' records too."""
    return "true" if inputs.as_of_us is None else f"changed_at_us <= {inputs.as_of_us}"


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
        ]
    )

"""Whether the columns of a partition of JSON go with the table's: Athena compares them by place, not by name.

Source: Athena user guide, "Update tables with partitions" (updates-and-partitions.html), and "Change a column's data
type" (updates-changing-column-type.html) for the types that go together. Of Parquet it compares nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ddb_pipeline.local_aws.athena.errors import QueryFailedError

# types of a partition's column that a wider one of the table takes
_WIDER = {
    "tinyint": {"smallint", "int", "bigint"},
    "smallint": {"int", "bigint"},
    "int": {"bigint"},
}
_ADVICE = (
    "set the crawler's configuration so that partitions inherit from the table "
    '({"Version": 1.0, "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}})'
)


def mismatch(
    table: str, columns: Sequence[Mapping[str, str]], partition: str, own: Sequence[Mapping[str, str]]
) -> QueryFailedError | None:
    """Compare the columns of a partition with those of its table.

    Args:
        table: Database and name.
        columns: The table's columns, as Glue has them.
        partition: Name of the partition's folder.
        own: The partition's columns; those that it has not are NULL.

    Returns:
        The failure of a query that reads the partition; None: they go together.
    """
    for column, other in zip(columns, own, strict=False):
        name, type_ = column["Name"].lower(), _type(column)
        if _type(other) != type_ and type_ not in _WIDER.get(_type(other), set()):
            message = (
                "There is a mismatch between the table and partition schemas. The types are incompatible and cannot "
                f"be coerced. The column '{name}' in table '{table}' is declared as type '{column['Type']}', but "
                f"partition '{partition}' declared column '{other['Name']}' as type '{other['Type']}'."
            )
            return QueryFailedError("HIVE_PARTITION_SCHEMA_MISMATCH", message)
        if other["Name"].lower() != name:
            message = f"partition '{partition}' of table {table} has column {other['Name']} where the table has {name}"
            return QueryFailedError("NOT_SUPPORTED", f"{message}: not supported by local AWS; {_ADVICE}")
    return None


def _type(column: Mapping[str, str]) -> str:
    return "".join(column["Type"].lower().split())

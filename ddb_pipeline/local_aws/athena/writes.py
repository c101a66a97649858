"""INSERT INTO and CREATE TABLE AS, up to what is to be written where: both into Parquet only.

Source: Athena user guide, "INSERT INTO", "CREATE TABLE AS", "Considerations and limitations for CTAS queries".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp

from ddb_pipeline.local_aws.athena import parquet
from ddb_pipeline.local_aws.athena.casts import coerce
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, failed_at, not_supported
from ddb_pipeline.local_aws.athena.plans import Lines, Plan, Session, Write
from ddb_pipeline.local_aws.athena.relations import Field, Table, View
from ddb_pipeline.local_aws.athena.table_names import name_of
from ddb_pipeline.local_aws.athena.types import duckdb_type
from ddb_pipeline.local_aws.athena.views import hive_columns

Compile = Callable[[exp.Expr], Plan]
_PROPERTIES = {
    "format",
    "external_location",
    "partitioned_by",
    "write_compression",
    "parquet_compression",
    "table_type",
}
COMPRESSIONS = {
    "GZIP": "GZIP",
    "SNAPPY": "SNAPPY",
    "ZSTD": "ZSTD",
    "NONE": "UNCOMPRESSED",
    "UNCOMPRESSED": "UNCOMPRESSED",
}
"""DuckDB's names of the compressions that Parquet is written with."""
_CREATE_PARTS = {"this", "kind", "expression", "exists", "properties"}
_ENFORCED = (
    "The Create Table As Select query failed because it was submitted with an 'external_location' property to an "
    "Athena Workgroup that enforces a centralized output location for all queries. Please remove the "
    "'external_location' property and resubmit the query."
)


def insert(statement: exp.Insert, session: Session, compile_query: Compile) -> Write:
    """Compile INSERT INTO a Parquet table.

    Raises:
        QueryFailedError: The table, its columns or the query are wrong, or the table is of another format.
    """
    sql, target = session.sql, statement.this
    extra = [key for key, part in statement.args.items() if part and key not in {"this", "expression"}]
    if extra:
        raise not_supported(sql, statement, f"{extra[0].strip('_').upper()} in INSERT")
    node = target.this if isinstance(target, exp.Schema) else target
    table = _target(node, session)
    if not isinstance(statement.expression, (exp.Query, exp.Values)):
        raise failed_at(sql, statement, "SYNTAX_ERROR", "INSERT INTO needs a query")
    own = [str(field.name) for field in (*table.columns, *table.partition_columns)]
    listed = [column.name.lower() for column in target.expressions] if isinstance(target, exp.Schema) else own
    for name in listed:
        if name not in own:
            message = f"Insert column name does not exist in target table: {name}"
            raise failed_at(sql, target, "COLUMN_NOT_FOUND", message)
        if listed.count(name) > 1:
            message = f"Insert column name is specified more than once: {name}"
            raise failed_at(sql, target, "DUPLICATE_COLUMN_NAME", message)
    plan = compile_query(statement.expression)
    return Write(plan, table, _values(table, listed, plan, statement, sql))


def _target(node: exp.Expr, session: Session) -> Table:
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise not_supported(session.sql, node, "this target of INSERT")
    schema, name = name_of(node, session)
    found = session.catalog.find(schema, name)
    if found is None:
        message = f"Table 'awsdatacatalog.{schema}.{name}' does not exist"
        raise failed_at(session.sql, node, "TABLE_NOT_FOUND", message)
    if not isinstance(found, Table):
        kind = "views" if isinstance(found, View) else "tables about the catalog"
        raise failed_at(session.sql, node, "NOT_SUPPORTED", f"Inserting into {kind} is not supported")
    if found.projection is not None:
        raise not_supported(session.sql, node, f"INSERT INTO table {name}, whose partitions are projected,")
    if found.format != "parquet":
        raise not_supported(session.sql, node, f"INSERT INTO table {name}, which is not Parquet,")
    return found


def _values(table: Table, listed: Sequence[str], plan: Plan, statement: exp.Expr, sql: str) -> tuple[str, ...]:
    """Convert the query's columns to the table's as Trino does unasked."""
    fields = {str(field.name): field for field in (*table.columns, *table.partition_columns)}
    given = plan.relation.fields
    converted = {}
    for place, (name, field) in enumerate(zip(listed, given, strict=False), 1):
        value = coerce(f"w.c{place}", field.type, fields[name].type)
        if value is not None:
            converted[name] = value
    if len(given) != len(listed) or len(converted) != len(listed):
        wanted = ", ".join(str(fields[name].type) for name in listed)
        message = f"Table: [{wanted}], Query: [{', '.join(str(field.type) for field in given)}]"
        raise failed_at(sql, statement, "TYPE_MISMATCH", f"Insert query has mismatched column types: {message}")
    return tuple(converted.get(name, f"CAST(NULL AS {duckdb_type(field.type)})") for name, field in fields.items())


def create_table_as(statement: exp.Create, session: Session, compile_query: Compile) -> Write | Lines:
    """Compile CREATE TABLE AS. With IF NOT EXISTS and a table that is there, nothing is done.

    Raises:
        QueryFailedError: The table exists, or a property or column cannot be.
    """
    sql, node = session.sql, statement.this
    extra = [key for key, part in statement.args.items() if part and key not in _CREATE_PARTS]
    if extra or not isinstance(node, exp.Table):
        raise not_supported(sql, statement, f"{extra[0].upper() if extra else 'a list of columns'} in CREATE TABLE AS")
    schema, name = name_of(node, session)
    if session.catalog.entry(schema, name) is not None:
        if statement.args.get("exists"):
            return Lines()
        message = f"line 1:1: Table 'awsdatacatalog.{schema}.{name}' already exists"
        raise failed_at(sql, None, "TABLE_ALREADY_EXISTS", message)
    properties, has_data = _properties(statement, sql)
    location = _location(properties, session)
    query = statement.expression if has_data else exp.Subquery(this=statement.expression, limit=_nothing())
    plan = compile_query(query)
    columns = hive_columns(plan.relation.fields)
    keys = partition_keys(properties.get("partitioned_by", []), columns, plan.relation.fields)
    inner = len(columns) - len(keys)
    table = Table(
        schema, name, plan.relation.fields[:inner], plan.relation.fields[inner:], (), location, "parquet"
    )  # fmt: skip
    values = tuple(f"w.c{place}" for place in range(1, len(columns) + 1))
    compression = properties.get("write_compression") or properties.get("parquet_compression") or "GZIP"
    entry = _table_input(name, columns[:inner], columns[inner:], location, COMPRESSIONS[compression])
    return Write(plan, table, values, COMPRESSIONS[compression], entry)


def _nothing() -> exp.Limit:
    return exp.Limit(expression=exp.Literal.number(0))


def _properties(statement: exp.Create, sql: str) -> tuple[dict[str, Any], bool]:
    """Values of the WITH clause by name, and whether the table gets the query's rows."""
    found: dict[str, Any] = {}
    has_data = True
    for node in statement.args["properties"].expressions if statement.args.get("properties") else []:
        if isinstance(node, exp.WithDataProperty):
            has_data = not node.args.get("no")
            continue
        name, value = _property(node)
        if name not in _PROPERTIES:
            raise not_supported(sql, None, f"the property {name} of CREATE TABLE AS")
        if value is None:
            raise failed_at(sql, None, "INVALID_TABLE_PROPERTY", f"Unable to set table property '{name}'")
        found[name] = value
    _only(found, "format", ("PARQUET",))
    _only(found, "table_type", ("HIVE",))
    _only(found, "write_compression", tuple(COMPRESSIONS))
    _only(found, "parquet_compression", tuple(COMPRESSIONS))
    return found, has_data


def _property(node: exp.Expr) -> tuple[str, Any]:
    if isinstance(node, exp.FileFormatProperty):
        return "format", node.this.name
    if isinstance(node, exp.PartitionedByProperty):
        items = node.this.expressions if isinstance(node.this, exp.Array) else []
        texts = [item.name.lower() for item in items if isinstance(item, exp.Literal) and item.is_string]
        return "partitioned_by", texts if texts and len(texts) == len(items) else None
    value = node.args.get("value")
    own = value.name if isinstance(value, exp.Literal) and value.is_string else None
    return node.name.lower() or node.key, own


def _only(properties: dict[str, Any], name: str, allowed: Sequence[str]) -> None:
    if name in properties:
        properties[name] = properties[name].upper()
        if properties[name] not in allowed:
            message = f"{name} {properties[name]} in CREATE TABLE AS is not supported by local AWS"
            raise QueryFailedError("NOT_SUPPORTED", message)


def _location(properties: dict[str, Any], session: Session) -> str:
    location = properties.get("external_location")
    if location is None:
        return f"{session.results}tables/{session.id}/"
    if session.is_enforced:
        raise QueryFailedError("INVALID_TABLE_PROPERTY", _ENFORCED)
    if not location.startswith("s3://") or not location.removeprefix("s3://").partition("/")[0]:
        raise QueryFailedError("INVALID_TABLE_PROPERTY", f"external_location must be a path in S3: {location}")
    return location if location.endswith("/") else f"{location}/"


def partition_keys(keys: list[str], columns: list[dict[str, str]], fields: Sequence[Field]) -> list[str]:
    """Hold the names of partition columns to a query's columns.

    Raises:
        QueryFailedError: They are not its last columns, or not of a type that local AWS writes as one.
    """
    names = [column["Name"] for column in columns]
    missing = [key for key in keys if key not in names]
    if missing:
        message = f"Partition columns [{', '.join(missing)}] not present in schema"
        raise QueryFailedError("INVALID_TABLE_PROPERTY", message)
    if len(keys) == len(names):
        raise QueryFailedError("INVALID_TABLE_PROPERTY", "Table contains only partition columns")
    if names[len(names) - len(keys) :] != keys:
        message = (
            "Partition keys must be the last columns in the table and in the same order as the table properties: "
            f"[{', '.join(keys)}]"
        )
        raise QueryFailedError("HIVE_COLUMN_ORDER_MISMATCH", message)
    for field in fields[len(names) - len(keys) :]:
        if field.type.name != "varchar":
            message = f"the partition column {field.name} of type {field.type} is not supported by local AWS"
            raise QueryFailedError("NOT_SUPPORTED", message)
    return keys


def _table_input(
    name: str, columns: list[dict[str, str]], keys: list[dict[str, str]], location: str, compression: str
) -> dict[str, Any]:
    """Glue's `TableInput` of a Parquet table that CREATE TABLE AS makes."""
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "has_encrypted_data": "false", "parquet.compression": compression},
        "PartitionKeys": keys,
        "StorageDescriptor": {
            "Columns": columns,
            "Location": location.removesuffix("/"),
            "InputFormat": parquet.INPUT_FORMAT,
            "OutputFormat": parquet.OUTPUT_FORMAT,
            "Compressed": False,
            "SerdeInfo": {
                "Name": name,
                "SerializationLibrary": parquet.SERDE,
                "Parameters": {"serialization.format": "1"},
            },
        },
    }

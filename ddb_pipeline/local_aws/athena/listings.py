"""SHOW and DESCRIBE: what the catalog holds, in the lines that Hive writes.

Source: Athena user guide, "DDL statements"; the padding of DESCRIBE is Hive's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from ddb_pipeline.local_aws.athena import views
from ddb_pipeline.local_aws.athena.ddl_reader import Reader
from ddb_pipeline.local_aws.athena.definitions import not_found
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, not_supported
from ddb_pipeline.local_aws.athena.folders import folder_name
from ddb_pipeline.local_aws.athena.plans import Lines, Session
from ddb_pipeline.local_aws.athena.relations import Field
from ddb_pipeline.local_aws.athena.types import Type

TEXT = Type("string")
"""Type that the API gives the columns of what SHOW and its like say."""
_WIDTH = 20


def show(session: Session) -> Lines:
    """SHOW of anything that Athena shows."""
    reader = Reader(session)
    reader.expect("SHOW")
    for words, answer in _SHOWN.items():
        if reader.accept(*words):
            return answer(reader)
    raise not_supported(session.sql, None, "this form of SHOW")


def _lines(lines: Iterable[str], *names: str) -> Lines:
    return Lines(tuple(Field(name, TEXT) for name in names), tuple(lines))


def _databases(reader: Reader) -> Lines:
    pattern = _pattern(reader)
    names = sorted(str(found["Name"]) for found in reader.session.catalog.databases())
    return _lines(filter(pattern, names), "database_name")


def _tables(reader: Reader) -> Lines:
    entries, pattern = _entries(reader)
    return _lines(sorted(name for name in entries if pattern(name)), "tab_name")


def _views(reader: Reader) -> Lines:
    entries, pattern = _entries(reader)
    names = [name for name, entry in entries.items() if entry.get("TableType") == views.TABLE_TYPE]
    return _lines(sorted(filter(pattern, names)), "views")


def _entries(reader: Reader) -> tuple[dict[str, dict[str, Any]], Callable[[str], bool]]:
    database = reader.name() if reader.accept("IN") or reader.accept("FROM") else reader.session.database
    pattern = _pattern(reader)
    if database is None:
        raise QueryFailedError("MISSING_SCHEMA_NAME", "Schema must be specified when session schema is not set")
    if not reader.session.catalog.has_database(database):
        raise QueryFailedError("FAILED", f"SemanticException [Error 10072]: Database does not exist: {database}")
    return reader.session.catalog.entries(database), pattern


def _pattern(reader: Reader) -> Callable[[str], bool]:
    """Read `[LIKE] 'a*|b'`: the documented form has only `*` for any text and `|` for a choice."""
    likes = reader.accept("LIKE")
    written = reader.text() if likes or reader.has_more else "*"
    reader.end()
    form = "|".join(".*".join(map(re.escape, part.split("*"))) for part in written.lower().split("|"))
    return lambda name: re.fullmatch(form, name) is not None


def _partitions(reader: Reader) -> Lines:
    schema, name = reader.table()
    reader.end()
    entry = _entry(reader.session, schema, name)
    keys = [str(key["Name"]).lower() for key in entry.get("PartitionKeys") or []]
    if not keys:
        message = f"Table {name} is not a partitioned table"
        raise QueryFailedError("FAILED", f"SemanticException [Error 10001]: {message}")
    found = reader.session.catalog.partition_locations(schema, name)
    return _lines(sorted(folder_name(keys, values).removesuffix("/") for values in found), "partition")


def _columns(reader: Reader) -> Lines:
    if not reader.accept("IN"):
        reader.expect("FROM")
    schema, name = reader.table()
    if reader.accept("IN") or reader.accept("FROM"):
        schema = reader.name()
    reader.end()
    entry = _entry(reader.session, schema, name)
    return _lines((column["Name"] for column in _all_columns(entry)), "field")


def _table_properties(reader: Reader) -> Lines:
    schema, name = reader.table()
    wanted = None
    if reader.accept("("):
        wanted = reader.text()
        reader.expect(")")
    reader.end()
    parameters = _entry(reader.session, schema, name).get("Parameters") or {}
    if wanted is not None:
        shown = parameters.get(wanted, f"Table {schema}.{name} does not have property: {wanted}")
        return _lines([str(shown)], "prpt_name", "prpt_value")
    return _lines((f"{key}\t{value}" for key, value in sorted(parameters.items())), "prpt_name", "prpt_value")


def _create_table(reader: Reader) -> Lines:
    schema, name = reader.table()
    reader.end()
    entry = _entry(reader.session, schema, name)
    if entry.get("TableType") == views.TABLE_TYPE:
        raise QueryFailedError("FAILED", f"SemanticException: {schema}.{name} is a view; use SHOW CREATE VIEW")
    storage = entry.get("StorageDescriptor") or {}
    serde = storage.get("SerdeInfo") or {}
    lines = [f"CREATE EXTERNAL TABLE `{schema}.{name}`(", *_definitions(storage.get("Columns") or [])]
    if entry.get("PartitionKeys"):
        lines += ["PARTITIONED BY ( ", *_definitions(entry["PartitionKeys"])]
    lines += ["ROW FORMAT SERDE ", f"  {_quoted(serde.get('SerializationLibrary'))} "]
    own = {key: value for key, value in (serde.get("Parameters") or {}).items() if key != "serialization.format"}
    if own:
        lines += ["WITH SERDEPROPERTIES ( ", *_properties(own)]
    lines += ["STORED AS INPUTFORMAT ", f"  {_quoted(storage.get('InputFormat'))} "]
    lines += ["OUTPUTFORMAT ", f"  {_quoted(storage.get('OutputFormat'))}"]
    lines += ["LOCATION", f"  {_quoted(storage.get('Location'))}"]
    parameters = {key: value for key, value in (entry.get("Parameters") or {}).items() if key != "EXTERNAL"}
    if parameters:
        lines += ["TBLPROPERTIES (", *_properties(parameters)]
    return _lines(lines, "createtab_stmt")


def _definitions(columns: list[dict[str, Any]]) -> list[str]:
    shown = []
    for column in columns:
        comment = f" COMMENT {_quoted(column['Comment'])}" if column.get("Comment") else ""
        shown.append(f"  `{column['Name']}` {column['Type']}{comment}")
    return [f"{line}, " for line in shown[:-1]] + [f"{line})" for line in shown[-1:]]


def _properties(properties: dict[str, Any]) -> list[str]:
    shown = [f"  {_quoted(key)}={_quoted(value)}" for key, value in sorted(properties.items())]
    return [f"{line}, " for line in shown[:-1]] + [f"{line})" for line in shown[-1:]]


def _quoted(text: Any) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _create_view(reader: Reader) -> Lines:
    schema, name = reader.table()
    reader.end()
    entry = _entry(reader.session, schema, name)
    if entry.get("TableType") != views.TABLE_TYPE:
        raise QueryFailedError("NOT_SUPPORTED", f"awsdatacatalog.{schema}.{name} is a table; use SHOW CREATE TABLE")
    view = views.read(schema, name, entry)
    return _lines([f'CREATE VIEW "{schema}"."{name}" AS', *view.sql.splitlines()], "create view")


_SHOWN: dict[tuple[str, ...], Callable[[Reader], Lines]] = {
    ("DATABASES",): _databases,
    ("SCHEMAS",): _databases,
    ("TABLES",): _tables,
    ("VIEWS",): _views,
    ("PARTITIONS",): _partitions,
    ("COLUMNS",): _columns,
    ("CREATE", "TABLE"): _create_table,
    ("CREATE", "VIEW"): _create_view,
    ("TBLPROPERTIES",): _table_properties,
}


def describe(session: Session) -> Lines:
    """DESCRIBE a table or view: its columns, then its partition columns again."""
    reader = Reader(session)
    if not reader.accept("DESC"):
        reader.expect("DESCRIBE")
    for word in ("EXTENDED", "FORMATTED"):
        if reader.accept(word):
            raise not_supported(session.sql, None, f"DESCRIBE {word}")
    reader.accept("TABLE")
    schema, name = reader.table()
    if reader.has_more:
        raise not_supported(session.sql, None, "DESCRIBE of a partition or a column")
    entry = _entry(session, schema, name)
    lines = [_described(column) for column in _all_columns(entry)]
    keys = entry.get("PartitionKeys") or []
    if keys:
        empty = " \t \t "
        head = _padded("# col_name", "data_type", "comment")
        lines += [empty, "# Partition Information\t \t ", head, empty, *map(_described, keys)]
    return _lines(lines, "col_name", "data_type", "comment")


def _described(column: dict[str, Any]) -> str:
    return _padded(str(column["Name"]), str(column.get("Type")), str(column.get("Comment") or ""))


def _padded(*cells: str) -> str:
    return "\t".join(cell.ljust(_WIDTH) for cell in cells)


def _all_columns(entry: dict[str, Any]) -> list[dict[str, Any]]:
    storage = entry.get("StorageDescriptor") or {}
    return [*(storage.get("Columns") or []), *(entry.get("PartitionKeys") or [])]


def _entry(session: Session, schema: str, name: str) -> dict[str, Any]:
    entry = session.catalog.entry(schema, name)
    if entry is None:
        raise not_found(name)
    return entry

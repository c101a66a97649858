"""CREATE, DROP and ALTER of databases and tables: changes of the catalog, never of objects.

Source: Athena user guide, "DDL statements". Messages are Hive's, as far as they are known.
"""

from __future__ import annotations

import time
from typing import Any

from ddb_pipeline.local_aws.athena import parquet, views
from ddb_pipeline.local_aws.athena.catalog import Catalog
from ddb_pipeline.local_aws.athena.ddl_reader import Reader
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, not_supported
from ddb_pipeline.local_aws.athena.folders import folder_name
from ddb_pipeline.local_aws.athena.formats import FORMATS, JSON_SERDE, reads
from ddb_pipeline.local_aws.athena.openx.options import read_options
from ddb_pipeline.local_aws.athena.plans import Lines, Session


def failed(message: str) -> QueryFailedError:
    """Make the error of a statement that Hive could not run."""
    task = "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask."
    return QueryFailedError("FAILED", f"{task} {message}")


def not_found(name: str) -> QueryFailedError:
    """Make the error of a table that is not there."""
    return QueryFailedError("FAILED", f"SemanticException [Error 10001]: Table not found {name}")


def create_database(session: Session) -> Lines:
    """CREATE DATABASE [IF NOT EXISTS] name [COMMENT ...] [LOCATION ...] [WITH DBPROPERTIES (...)]."""
    reader = Reader(session)
    reader.expect("CREATE")
    if not reader.accept("DATABASE"):
        reader.expect("SCHEMA")
    skips = reader.accept("IF", "NOT", "EXISTS")
    name = reader.name()
    entry: dict[str, object] = {"Name": name}
    if reader.accept("COMMENT"):
        entry["Description"] = reader.text()
    if reader.accept("LOCATION"):
        entry["LocationUri"] = _place(reader.text())
    if reader.accept("WITH", "DBPROPERTIES"):
        entry["Parameters"] = reader.properties()
    reader.end()
    if session.catalog.has_database(name):
        if skips:
            return Lines()
        raise failed(f"Database {name} already exists")
    session.catalog.create_database(name, entry)
    return Lines()


def drop_database(session: Session) -> Lines:
    """DROP DATABASE [IF EXISTS] name [RESTRICT | CASCADE]."""
    reader = Reader(session)
    reader.expect("DROP")
    if not reader.accept("DATABASE"):
        reader.expect("SCHEMA")
    skips = reader.accept("IF", "EXISTS")
    name = reader.name()
    cascades = reader.accept("CASCADE")
    if not cascades:
        reader.accept("RESTRICT")
    reader.end()
    catalog = session.catalog
    if not catalog.has_database(name):
        if skips:
            return Lines()
        raise QueryFailedError("FAILED", f"SemanticException [Error 10072]: Database does not exist: {name}")
    if catalog.tables(name) and not cascades:
        message = f"InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)"
        raise failed(message)
    catalog.drop_database(name)
    return Lines()


def create_table(session: Session) -> Lines:
    """CREATE EXTERNAL TABLE of JSON lines or Parquet.

    Raises:
        QueryFailedError: It exists, has no location, or is of a format or type that local AWS does not read.
    """
    reader = Reader(session)
    reader.expect("CREATE")
    if not reader.accept("EXTERNAL"):
        raise failed("Only external table creation is supported")
    reader.expect("TABLE")
    skips = reader.accept("IF", "NOT", "EXISTS")
    schema, name = reader.table()
    columns, keys = reader.columns(), []
    parameters = {"EXTERNAL": "TRUE", "transient_lastDdlTime": str(int(time.time()))}
    if reader.accept("COMMENT"):
        parameters["comment"] = reader.text()
    if reader.accept("PARTITIONED", "BY"):
        keys = reader.columns()
    if reader.accept("CLUSTERED", "BY"):
        raise not_supported(session.sql, None, "CLUSTERED BY")
    serde, serde_parameters, formats = _format(reader)
    if not reader.accept("LOCATION"):
        raise reader.wrong("'LOCATION'")
    location = _place(reader.text())
    if reader.accept("TBLPROPERTIES"):
        parameters |= reader.properties()
    reader.end()
    _check_columns(session, serde, columns, keys)
    if session.catalog.entry(schema, name) is not None:
        if skips:
            return Lines()
        raise failed(f"AlreadyExistsException(message:Table {name} already exists)")
    entry = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": keys,
        "StorageDescriptor": {
            "Columns": columns,
            "Location": location,
            "InputFormat": formats[0],
            "OutputFormat": formats[1],
            "Compressed": False,
            "NumberOfBuckets": -1,
            "SerdeInfo": {
                "SerializationLibrary": serde,
                "Parameters": {"serialization.format": "1"} | serde_parameters,
            },
        },
    }
    session.catalog.create(schema, entry)
    return Lines()


def _format(reader: Reader) -> tuple[str, dict[str, str], tuple[str, str]]:
    """SerDe, its properties, input and output format."""
    serde, properties = "", {}
    if reader.accept("ROW", "FORMAT"):
        if not reader.accept("SERDE"):
            raise not_supported(reader.session.sql, None, "ROW FORMAT other than SERDE")
        serde = reader.text()
        if reader.accept("WITH", "SERDEPROPERTIES"):
            properties = reader.properties()
    files = _files(reader)
    if files == FORMATS[parquet.SERDE].files:
        serde = serde or parquet.SERDE
    known = FORMATS.get(serde)
    if known is None:
        raise not_supported(reader.session.sql, None, f"the SerDe {serde or 'of delimited text'}")
    files = files or known.files
    if files[0] != known.files[0]:
        raise not_supported(reader.session.sql, None, f"the input format {files[0]} with the SerDe {serde}")
    if known.name == "openx":
        read_options(properties)
    return serde, properties, files


def _files(reader: Reader) -> tuple[str, str] | None:
    """Input and output format; None: STORED AS is not given."""
    if not reader.accept("STORED", "AS"):
        return None
    if reader.accept("INPUTFORMAT"):
        first = reader.text()
        reader.expect("OUTPUTFORMAT")
        return first, reader.text()
    if reader.accept("PARQUET"):
        return FORMATS[parquet.SERDE].files
    if reader.accept("TEXTFILE"):
        return FORMATS[JSON_SERDE].files
    raise not_supported(reader.session.sql, None, "STORED AS other than PARQUET, TEXTFILE or INPUTFORMAT")


def _check_columns(session: Session, serde: str, columns: list[dict[str, str]], keys: list[dict[str, str]]) -> None:
    for column in columns:
        if reads(FORMATS[serde].name, column["Type"]) is None:
            raise not_supported(session.sql, None, f"the type {column['Type']} of column {column['Name']}")
    for key in keys:
        if key["Type"] not in {"string", "varchar"}:
            raise not_supported(session.sql, None, f"the type {key['Type']} of partition column {key['Name']}")
    names = [column["Name"] for column in (*columns, *keys)]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise QueryFailedError("FAILED", f"SemanticException [Error 10036]: Duplicate column name: {repeated[0]}")


def _place(location: str) -> str:
    if not location.startswith("s3://") or not location.removeprefix("s3://").partition("/")[0]:
        raise failed(f"MetaException(message:the location must be a path in S3: {location})")
    return location


def drop_table(session: Session) -> Lines:
    """DROP TABLE [IF EXISTS]: the catalog's entry goes, objects stay."""
    reader = Reader(session)
    reader.expect("DROP", "TABLE")
    skips = reader.accept("IF", "EXISTS")
    schema, name = reader.table()
    reader.end()
    entry = session.catalog.entry(schema, name)
    if entry is None:
        if skips:
            return Lines()
        raise not_found(name)
    if entry.get("TableType") == views.TABLE_TYPE:
        raise QueryFailedError("FAILED", "SemanticException [Error 10001]: Cannot drop a view with DROP TABLE")
    session.catalog.drop(schema, name)
    return Lines()


def alter_table(session: Session) -> Lines:
    """ALTER TABLE ... ADD COLUMNS, ADD PARTITION, DROP PARTITION or SET TBLPROPERTIES."""
    reader = Reader(session)
    reader.expect("ALTER", "TABLE")
    schema, name = reader.table()
    entry = session.catalog.entry(schema, name)
    if entry is None:
        raise not_found(name)
    keys = [str(key["Name"]).lower() for key in entry.get("PartitionKeys") or []]
    if reader.accept("ADD", "COLUMNS"):
        _add_columns(reader, session, schema, name, entry)
    elif reader.accept("ADD"):
        _add_partitions(reader, session.catalog, schema, name, keys)
    elif reader.accept("DROP"):
        _drop_partitions(reader, session.catalog, schema, name, keys)
    elif reader.accept("SET", "TBLPROPERTIES"):
        parameters = reader.properties()
        reader.end()
        session.catalog.set_parameters(schema, name, parameters)
    else:
        raise not_supported(
            session.sql, None, "ALTER TABLE other than ADD COLUMNS, ADD PARTITION, DROP PARTITION, SET TBLPROPERTIES"
        )
    return Lines()


def _add_columns(reader: Reader, session: Session, schema: str, name: str, entry: dict[str, Any]) -> None:
    """New columns come behind the table's own; partitions that there are do not have them."""
    if entry.get("TableType") == views.TABLE_TYPE:
        raise QueryFailedError("FAILED", "SemanticException: To alter a view you need to use CREATE OR REPLACE VIEW")
    new = reader.columns()
    reader.end()
    storage = entry.get("StorageDescriptor") or {}
    serde = (storage.get("SerdeInfo") or {}).get("SerializationLibrary")
    columns = [*(storage.get("Columns") or []), *new]
    if serde in FORMATS:
        _check_columns(session, serde, columns, entry.get("PartitionKeys") or [])
    session.catalog.change(schema, name, {"StorageDescriptor": {**storage, "Columns": columns}})


def _add_partitions(reader: Reader, catalog: Catalog, schema: str, name: str, keys: list[str]) -> None:
    skips = reader.accept("IF", "NOT", "EXISTS")
    known = catalog.partition_locations(schema, name)
    new: dict[tuple[str | None, ...], str] = {}
    base = catalog.location(schema, name)
    while True:
        values = reader.partition(keys)
        location = _place(reader.text()) if reader.accept("LOCATION") else base + folder_name(keys, values)
        if values in known and not skips:
            raise failed("AlreadyExistsException(message:Partition already exists.)")
        if values not in known:
            new[values] = location
        reader.accept(",")
        if not reader.has_more:
            break
    catalog.add_partitions(schema, name, new)


def _drop_partitions(reader: Reader, catalog: Catalog, schema: str, name: str, keys: list[str]) -> None:
    skips = reader.accept("IF", "EXISTS")
    known = catalog.partition_locations(schema, name)
    gone = []
    while True:
        values = reader.partition(keys)
        if values in known:
            gone.append(values)
        elif not skips:
            shown = "/".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
            raise QueryFailedError("FAILED", f"SemanticException [Error 10006]: Partition not found ({shown})")
        if not reader.accept(","):
            break
    reader.end()
    catalog.drop_partitions(schema, name, gone)

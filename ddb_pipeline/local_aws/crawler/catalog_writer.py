"""Writes what a crawl of S3 targets found into the catalog, as the crawler's policies say.

Parameters, SerDes and formats are those of published tables that crawlers made (Glue developer guide, "Parameters set
on Data Catalog tables by crawler"; athena/latest/ug, "Use Glue crawlers").
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.glue.exceptions import DatabaseNotFoundException

from ddb_pipeline.local_aws.crawler.configuration import Configuration
from ddb_pipeline.local_aws.crawler.folders import Location
from ddb_pipeline.local_aws.crawler.grouping import by_partition, columns_of_all, table_name
from ddb_pipeline.local_aws.crawler.hive_types import Inferred, text
from ddb_pipeline.local_aws.crawler.object_schemas import ObjectSchema
from ddb_pipeline.local_aws.crawler.s3_target import FoundTable, Seen
from ddb_pipeline.local_aws.crawler.work import CrawlFailedError, Findings

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.crawler.backend import LocalGlueBackend

_FORMATS = {
    "json": {
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "Serde": "org.openx.data.jsonserde.JsonSerDe",
    },
    "parquet": {
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "Serde": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    },
}
_CRAWLER = "UPDATED_BY_CRAWLER"
_DEPRECATED = "DEPRECATED_BY_CRAWLER"
# what changes with every crawl, and is no change of a table
_STATISTICS = ("averageRecordSize", "objectCount", "recordCount", "sizeKey", "CRAWL_RUN_ID")


@dataclass(frozen=True)
class Policy:
    """What a crawler does with what it found.

    Attributes:
        crawler: Its name.
        crawl_id: The crawl.
        database: Where the tables go.
        table_prefix: What their names begin with.
        update: UpdateBehavior.
        delete: DeleteBehavior.
        configuration: The crawler's configuration.
        new_only: Whether only new folders were crawled, so that nothing is known of the others.
    """

    crawler: str
    crawl_id: str
    database: str
    table_prefix: str
    update: str
    delete: str
    configuration: Configuration
    new_only: bool


def write_catalog(backend: LocalGlueBackend, seen: Seen, policy: Policy, findings: Findings) -> None:
    """Write tables and partitions.

    Args:
        backend: Glue of the account and region.
        seen: What was found.
        policy: What to do with it.
        findings: Written to.

    Raises:
        CrawlFailedError: The database does not exist.
    """
    with backend.lock:
        try:
            backend.get_database(policy.database)
            _Writer(backend, policy, findings).write(seen)
        except DatabaseNotFoundException:
            raise CrawlFailedError(f"Database {policy.database} does not exist: create it first.") from None


def tables_by_location(backend: LocalGlueBackend, database: str) -> dict[str, dict[str, Any]]:
    """The tables of a database that have a location, which views have not; none if there is no such database."""
    try:
        tables = [table.as_dict() for table in backend.get_tables(database, None)]
    except DatabaseNotFoundException:
        return {}
    return {_location(table): table for table in tables if _location(table)}


class _Writer:
    def __init__(self, backend: LocalGlueBackend, policy: Policy, findings: Findings) -> None:
        self._backend = backend
        self._policy = policy
        self._findings = findings

    def write(self, seen: Seen) -> None:
        known = self._tables()
        found: set[str] = set()
        for one in seen.tables:
            found.add(_key(one.uri))
            table = known.get(_key(one.uri))
            if table is None:
                table = known[_key(one.uri)] = self._create(one)
            elif not self._update(table, one):
                continue
            self._partitions(self._backend.get_table(self._policy.database, table["Name"]).as_dict(), one)
        if not self._policy.new_only:
            self._delete_tables([table for key, table in known.items() if key not in found], seen.targets)

    def _tables(self) -> dict[str, dict[str, Any]]:
        tables = tables_by_location(self._backend, self._policy.database)
        return {_key(location): table for location, table in tables.items()}

    def _create(self, one: FoundTable) -> dict[str, Any]:
        taken = [table.name for table in self._backend.get_tables(self._policy.database, None)]
        name = table_name(one.location.bucket, one.group.location, self._policy.table_prefix, taken)
        table = self._table_input(name, one)
        self._backend.create_table(self._policy.database, name, table)
        self._findings.tables_added.append(name)
        return self._backend.get_table(self._policy.database, name).as_dict()

    def _table_input(self, name: str, one: FoundTable) -> dict[str, Any]:
        keys = one.group.partition_keys
        columns = {column: type_ for column, type_ in one.group.columns.items() if column not in keys}
        parameters = self._parameters(one.group.objects, one.sizes)
        table_parameters = {**parameters, "partition_filtering.enabled": "true"} if keys else parameters
        return {
            "Name": name,
            "Owner": "owner",
            "Retention": 0,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
            "Parameters": table_parameters,
            "StorageDescriptor": _descriptor(one.uri, columns, one.group.objects.values(), parameters),
        }

    def _parameters(self, objects: Mapping[str, ObjectSchema], sizes: Mapping[str, int]) -> dict[str, str]:
        schema = next(iter(objects.values()))
        size = sum(sizes[name] for name in objects)
        records = sum(one.records for one in objects.values())
        return {
            "CRAWL_RUN_ID": self._policy.crawl_id,
            "CrawlerSchemaDeserializerVersion": "1.0",
            "CrawlerSchemaSerializerVersion": "1.0",
            _CRAWLER: self._policy.crawler,
            "averageRecordSize": str(max(1, size // max(1, records))),
            "classification": schema.classification,
            "compressionType": schema.compression,
            "objectCount": str(len(objects)),
            "recordCount": str(records),
            "sizeKey": str(size),
            "typeOfData": "file",
        }

    def _update(self, table: dict[str, Any], one: FoundTable) -> bool:
        """Bring a table up to what was found; False: it cannot take these objects."""
        name, wanted = table["Name"], self._table_input(table["Name"], one)
        parameters = table.get("Parameters") or {}
        same_format = all(
            parameters.get(part) == wanted["Parameters"][part] for part in ("classification", "compressionType")
        )
        if self._policy.new_only or self._policy.update == "LOG":
            if not same_format:
                self._findings.lines.append(f"Skipped {one.uri}: its format is not that of table {name}")
            elif _columns(table) != _columns(wanted):
                self._findings.lines.append(f"Logged only: the schema of {one.uri} is not that of table {name}")
            return same_format
        if self._policy.configuration.merge_new_columns:
            if not same_format:
                self._deprecate(table)
                return False
            wanted = _with_new_columns(table, wanted)
        if _without_statistics(table) != _without_statistics(wanted):
            if table.get("PartitionKeys") != wanted["PartitionKeys"]:
                self._backend.get_table(self._policy.database, name).partitions.clear()
            self._backend.update_table(self._policy.database, name, wanted)
            self._findings.tables_updated.append(name)
        else:
            current = self._backend.get_table(self._policy.database, name)
            current.versions[str(table["VersionId"])] = wanted
        return True

    def _partitions(self, table: dict[str, Any], one: FoundTable) -> None:
        keys = [column["Name"] for column in table.get("PartitionKeys") or []]
        database, name = self._policy.database, table["Name"]
        known = {
            tuple(partition.values): partition.as_dict()
            for partition in self._backend.get_partitions(database, name, "")
        }
        root = _location(table).removeprefix(f"s3://{one.location.bucket}/")
        found = by_partition(one.group.objects, root, keys)
        for values, objects in found.items():
            if values is None:
                self._findings.lines.append(f"Skipped {one.uri}: it does not have the partitions of table {name}")
            if not values:
                continue
            wanted = self._partition_input(table, values, one, objects)
            folder = "/".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
            if values not in known:
                self._backend.create_partition(database, name, wanted)
                self._findings.added.append(folder)
            elif self._policy.update != "LOG" and _without_statistics(known[values]) != _without_statistics(wanted):
                self._backend.update_partition(database, name, wanted, list(values))  # type: ignore[arg-type]  # moto's hint is wrong
                self._findings.updated.append(folder)
        if not self._policy.new_only:
            gone = {values: partition for values, partition in known.items() if values not in found}
            self._delete_partitions(table, keys, gone)

    def _partition_input(
        self, table: dict[str, Any], values: tuple[str, ...], one: FoundTable, objects: Mapping[str, ObjectSchema]
    ) -> dict[str, Any]:
        first = next(iter(objects))
        uri = f"s3://{one.location.bucket}/{first[: first.rfind('/') + 1]}"
        parameters = self._parameters(objects, one.sizes)
        if self._policy.configuration.inherit or self._policy.new_only:
            descriptor = copy.deepcopy(table["StorageDescriptor"])
            descriptor |= {"Location": uri, "Parameters": parameters}
        else:
            keys = {column["Name"] for column in table["PartitionKeys"]}
            columns = {key: type_ for key, type_ in columns_of_all(objects.values()).items() if key not in keys}
            descriptor = _descriptor(uri, columns, objects.values(), parameters)
        return {"Values": list(values), "StorageDescriptor": descriptor, "Parameters": parameters}

    def _delete_tables(self, gone: list[dict[str, Any]], targets: list[Location]) -> None:
        for table in gone:
            is_own = (table.get("Parameters") or {}).get(_CRAWLER) == self._policy.crawler
            below = any(_key(_location(table)).startswith(f"s3://{place.bucket}/{place.prefix}") for place in targets)
            if not is_own or not below:
                continue
            if self._policy.delete == "DELETE_FROM_DATABASE":
                self._backend.delete_table(self._policy.database, table["Name"])
                self._findings.tables_deleted.append(table["Name"])
            elif self._policy.delete == "DEPRECATE_IN_DATABASE":
                self._deprecate(table)
            else:
                self._findings.lines.append(f"Logged only: the objects of table {table['Name']} are gone")

    def _deprecate(self, table: dict[str, Any]) -> None:
        if _DEPRECATED in (table.get("Parameters") or {}):
            return
        parameters = {**(table.get("Parameters") or {}), _DEPRECATED: str(int(time.time() * 1000))}
        changed = {**_input_of(table), "Parameters": parameters}
        self._backend.update_table(self._policy.database, table["Name"], changed)
        self._findings.tables_updated.append(table["Name"])
        self._findings.lines.append(f"Table {table['Name']} is marked as deprecated")

    def _delete_partitions(
        self, table: dict[str, Any], keys: list[str], gone: Mapping[tuple[str, ...], dict[str, Any]]
    ) -> None:
        for values, partition in gone.items():
            folder = "/".join(f"{key}={value}" for key, value in zip(keys, values, strict=False))
            parameters = partition.get("Parameters") or {}
            if self._policy.delete == "DELETE_FROM_DATABASE":
                self._backend.delete_partition(self._policy.database, table["Name"], list(values))  # type: ignore[arg-type]  # moto's hint is wrong
                self._findings.deleted.append(folder)
            elif self._policy.delete == "DEPRECATE_IN_DATABASE" and _DEPRECATED not in parameters:
                deprecated = {
                    "Values": list(values),
                    "StorageDescriptor": partition.get("StorageDescriptor", {}),
                    "Parameters": {**parameters, _DEPRECATED: str(int(time.time() * 1000))},
                }
                self._backend.update_partition(self._policy.database, table["Name"], deprecated, list(values))  # type: ignore[arg-type]
                self._findings.updated.append(folder)
            elif self._policy.delete == "LOG":
                self._findings.lines.append(f"Logged only: the objects of partition {folder} are gone")


def _descriptor(uri: str, columns: Mapping[str, Inferred], schemas: Any, parameters: dict[str, str]) -> dict[str, Any]:
    chosen = _FORMATS[parameters["classification"]]
    names = sorted({name for schema in schemas for name in schema.names})
    serde = {"paths": ",".join(names)} if parameters["classification"] == "json" else {"serialization.format": "1"}
    return {
        "Columns": [{"Name": name, "Type": text(type_)} for name, type_ in columns.items()],
        "Location": uri,
        "InputFormat": chosen["InputFormat"],
        "OutputFormat": chosen["OutputFormat"],
        "Compressed": parameters["compressionType"] != "none",
        "NumberOfBuckets": -1,
        "SerdeInfo": {"SerializationLibrary": chosen["Serde"], "Parameters": serde},
        "BucketColumns": [],
        "SortColumns": [],
        "Parameters": parameters,
        "StoredAsSubDirectories": False,
    }


def _with_new_columns(table: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The table as it is, with the columns that it lacks; nothing is removed and no type changes."""
    columns = list(table["StorageDescriptor"].get("Columns") or [])
    names = {column["Name"] for column in columns}
    columns += [column for column in wanted["StorageDescriptor"]["Columns"] if column["Name"] not in names]
    parameters = {name: value for name, value in (table.get("Parameters") or {}).items() if name != _DEPRECATED}
    return {
        **_input_of(table),
        "Parameters": {**parameters, **wanted["Parameters"]},
        "StorageDescriptor": {**table["StorageDescriptor"], "Columns": columns},
    }


def _input_of(table: dict[str, Any]) -> dict[str, Any]:
    own = ("DatabaseName", "CreateTime", "UpdateTime", "VersionId", "CatalogId")
    return {name: value for name, value in copy.deepcopy(table).items() if name not in own}


def _columns(table: dict[str, Any]) -> dict[str, str]:
    return {column["Name"]: column["Type"] for column in table["StorageDescriptor"].get("Columns") or []}


def _without_statistics(described: Mapping[str, Any]) -> dict[str, Any]:
    """What of a table or partition counts as a change."""
    descriptor = dict(described.get("StorageDescriptor") or {})
    descriptor.pop("Parameters", None)
    parameters = {key: value for key, value in (described.get("Parameters") or {}).items() if key not in _STATISTICS}
    return {
        "descriptor": descriptor,
        "parameters": parameters,
        "keys": described.get("PartitionKeys"),
        "values": described.get("Values"),
    }


def _location(table: Mapping[str, Any]) -> str:
    return str((table.get("StorageDescriptor") or {}).get("Location") or "")


def _key(uri: str) -> str:
    """A place by which tables are found again; the table of one object has none of a folder."""
    return uri if uri.endswith("/") or "://" not in uri else f"{uri}/"

"""What a crawl does: find the hours in S3 that the catalog lacks, and register them.

A new partition has the table's columns, format and SerDe, and the location of its folder (InheritFromTable; Glue
developer guide, "Setting crawler configuration options"); one that is there already follows the table. The table is
left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from moto.glue.exceptions import DatabaseNotFoundException, PartitionAlreadyExistsException, TableNotFoundException
from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.utilities.utils import get_partition

from ddb_pipeline.local_aws.crawler.folders import Location, objects_by_partition, stored_as

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.crawler.backend import LocalGlueBackend

# what a partition has from its table; sizes and counts are the crawler's own
_INHERITED_PARAMETERS = ("classification", "compressionType", "typeOfData")


class CrawlFailedError(Exception):
    """The crawl cannot go on. The message becomes the crawl's ErrorMessage and says what to do next."""


@dataclass
class Findings:
    """What a crawl changed, and what it wrote into its log.

    Attributes:
        added: Folders that became partitions, below the table's location.
        updated: The same of partitions that follow their table again, or changed.
        deleted: The same of partitions that were deleted.
        tables_added: Names of new tables.
        tables_updated: Names of tables that changed.
        tables_deleted: Names of tables that were deleted.
        lines: Sentences for the log.
    """

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    tables_added: list[str] = field(default_factory=list)
    tables_updated: list[str] = field(default_factory=list)
    tables_deleted: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def crawl_table(
    backend: LocalGlueBackend, database_name: str, table_name: str, stopped: Event, findings: Findings
) -> None:
    """Crawl one catalog table.

    Args:
        backend: Glue of the account and region.
        database_name: The table's database.
        table_name: The table.
        stopped: Set when the crawl shall end early.
        findings: Written to.

    Raises:
        CrawlFailedError: Database, table or bucket is not there, or the table is of a kind that is not crawled here.
    """
    try:
        _crawl_table(backend, database_name, table_name, stopped, findings)
    except DatabaseNotFoundException:
        raise CrawlFailedError(f"Database {database_name} does not exist: deploy the stack again.") from None
    except TableNotFoundException:
        raise CrawlFailedError(
            f"Table {table_name} does not exist in database {database_name}: deploy the stack again."
        ) from None


def _crawl_table(
    backend: LocalGlueBackend, database_name: str, table_name: str, stopped: Event, findings: Findings
) -> None:
    table = copy.deepcopy(backend.get_table(database_name, table_name).as_dict())
    place = f"{database_name}.{table_name}"
    location = Location.parse(table.get("StorageDescriptor", {}).get("Location") or "")
    if location is None:
        raise CrawlFailedError(f"Table {place} has no location in S3: deploy the stack again.")
    parameters = table.get("Parameters") or {}
    expected = (parameters.get("classification"), parameters.get("compressionType"))
    if expected[0] not in {"json", "parquet"}:
        raise CrawlFailedError(
            f"Table {place} has classification {expected[0]}: the local crawler knows json and parquet."
        )
    bucket = _bucket(backend, location, place)
    partition_keys = [column["Name"] for column in table.get("PartitionKeys") or []]
    known = {
        tuple(partition.values): partition.as_dict()
        for partition in backend.get_partitions(database_name, table_name, "")
    }
    # a copy of the names in one step: Firehose goes on writing
    for values, names in objects_by_partition(list(bucket.keys), location.prefix, partition_keys).items():
        if stopped.is_set():
            return
        partition = _inherit(table, location.folder(partition_keys, values), values)
        folder = "/".join(f"{name}={value}" for name, value in zip(partition_keys, values, strict=True))
        if values in known:
            if _follow_table(known[values], partition):
                backend.update_partition(database_name, table_name, partition, list(values))  # type: ignore[arg-type]  # moto's hint is wrong
                findings.updated.append(folder)
            continue
        formats = set(_formats(bucket, names, expected))
        if expected in formats:
            try:
                backend.create_partition(database_name, table_name, partition)
            except PartitionAlreadyExistsException:
                continue
            findings.added.append(folder)
        elif formats:
            # Without compressionType a table matches nothing: a crawler takes null and "none" for different
            # (cloud-intelligence-dashboards-data-collection issue 463).
            found = ", ".join("/".join(stored) for stored in sorted(formats))
            findings.lines.append(
                f"Skipped {folder} of table {place}: its objects are {found}, the table is {expected[0]}/{expected[1]}"
            )


def _bucket(backend: LocalGlueBackend, location: Location, place: str) -> FakeBucket:
    s3_backend = s3_backends[backend.account_id][get_partition(backend.region_name)]
    try:
        return s3_backend.get_bucket(location.bucket)
    except MissingBucket:
        raise CrawlFailedError(
            f"Bucket {location.bucket} of table {place} does not exist: deploy the stack again."
        ) from None


def _inherit(table: dict[str, Any], location: str, values: tuple[str, ...]) -> dict[str, Any]:
    descriptor = copy.deepcopy(table["StorageDescriptor"])
    descriptor["Location"] = location
    parameters = table.get("Parameters") or {}
    return {
        "Values": list(values),
        "StorageDescriptor": descriptor,
        "Parameters": {name: parameters[name] for name in _INHERITED_PARAMETERS if name in parameters},
    }


def _follow_table(known: dict[str, Any], inherited: dict[str, Any]) -> bool:
    """Whether a registered partition must change to follow its table; its location stays what it is."""
    descriptor = known.get("StorageDescriptor") or {}
    inherited["StorageDescriptor"]["Location"] = (
        descriptor.get("Location") or inherited["StorageDescriptor"]["Location"]
    )
    return bool(descriptor != inherited["StorageDescriptor"])


def _formats(bucket: FakeBucket, names: list[str], expected: tuple[Any, Any]) -> Iterator[tuple[str, str]]:
    """Formats of a folder's objects that are not empty, up to the first one that is as expected."""
    for name in names:
        key = bucket.keys.get(name)
        if not isinstance(key, FakeKey) or not key.contentsize:
            continue
        found = stored_as(key.value)
        yield found
        if found == expected:
            return

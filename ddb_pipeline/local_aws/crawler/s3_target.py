"""Crawls of S3 targets: what lies below a path becomes tables and partitions of the catalog.

A crawl looks at all targets before it writes anything, so that one that fails leaves the catalog as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.utilities.utils import get_partition

from ddb_pipeline.local_aws.crawler.configuration import Configuration
from ddb_pipeline.local_aws.crawler.folders import Location
from ddb_pipeline.local_aws.crawler.globs import excluder
from ddb_pipeline.local_aws.crawler.grouping import Group, groups
from ddb_pipeline.local_aws.crawler.object_schemas import ObjectSchema, look
from ddb_pipeline.local_aws.crawler.work import CrawlFailedError, Findings

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.crawler.backend import LocalGlueBackend


@dataclass(frozen=True)
class FoundTable:
    """A table that a crawl found.

    Attributes:
        location: Its bucket, and the target's folder.
        group: Its objects.
        sizes: Bytes by name of the object, in S3.
    """

    location: Location
    group: Group
    sizes: Mapping[str, int]

    @property
    def uri(self) -> str:
        """Where it is."""
        return f"s3://{self.location.bucket}/{self.group.location}"


@dataclass
class Seen:
    """What a crawl saw below its targets.

    Attributes:
        tables: The tables.
        folders: URIs of all folders with objects, also of those that were left out.
        targets: The targets' places.
    """

    tables: list[FoundTable] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    targets: list[Location] = field(default_factory=list)


def look_around(
    backend: LocalGlueBackend,
    targets: Iterable[Mapping[str, Any]],
    configuration: Configuration,
    *,
    crawled: set[str] | None,
    known: Iterable[str],
    findings: Findings,
    stopped: Event,
) -> Seen:
    """Look at everything below the targets.

    Args:
        backend: Glue of the account and region.
        targets: The crawler's S3 targets.
        configuration: Its configuration.
        crawled: URIs of folders to leave out, having been crawled before; None: none.
        known: URIs of tables that new folders may belong to, where folders are left out.
        findings: Gets a line for each folder with objects of no known format.
        stopped: Set when the crawl shall end early.

    Raises:
        CrawlFailedError: A bucket does not exist, or there are more tables than allowed.
    """
    seen = Seen()
    for target in targets:
        location = Location.parse(target["Path"])
        if location is None:
            raise CrawlFailedError(f"{target['Path']} is no path in S3.")
        seen.targets.append(location)
        bucket = _bucket(backend, location)
        is_excluded = excluder(target.get("Exclusions") or [])
        names = [name for name in sorted(bucket.keys) if _is_crawled(name, location.prefix, is_excluded)]
        schemas, sizes = _schemas(
            bucket,
            names,
            location,
            sample_size=target.get("SampleSize"),
            crawled=crawled,
            findings=findings,
            stopped=stopped,
        )
        seen.folders |= {_folder(location, name) for name in names}
        below_tables = _below_tables(schemas, location, known if crawled is not None else ())
        others = {
            name: schema for name, schema in schemas.items() if not any(name in one.objects for one in below_tables)
        }
        for group in (*below_tables, *groups(others, location.prefix, configuration.grouping)):
            seen.tables.append(FoundTable(location, group, {name: sizes[name] for name in group.objects}))
    most = configuration.table_threshold
    if most is not None and len(seen.tables) > most:
        raise CrawlFailedError(
            f"The number of tables detected by crawler: {len(seen.tables)} is greater than the table threshold value "
            f"provided: {most}. Failing crawler without writing to Data Catalog."
        )
    return seen


def _below_tables(schemas: Mapping[str, ObjectSchema], location: Location, known: Iterable[str]) -> list[Group]:
    """Objects in the folders of tables that are there already, by table, the innermost one, and format."""
    bucket = f"s3://{location.bucket}/"
    roots = [uri.removeprefix(bucket) for uri in known if uri.startswith(bucket) and uri.endswith("/")]
    found: dict[tuple[str, tuple[str, str]], dict[str, ObjectSchema]] = {}
    for name, schema in schemas.items():
        above = [root for root in roots if name.startswith(root)]
        if above:
            found.setdefault((max(above, key=len), schema.format), {})[name] = schema
    return [Group(root, objects, ()) for (root, _), objects in found.items()]


def _bucket(backend: LocalGlueBackend, location: Location) -> FakeBucket:
    try:
        return s3_backends[backend.account_id][get_partition(backend.region_name)].get_bucket(location.bucket)
    except MissingBucket:
        raise CrawlFailedError(f"Bucket {location.bucket} does not exist: the crawler's target is in it.") from None


def _is_crawled(name: str, prefix: str, is_excluded: Any) -> bool:
    below = name[len(prefix) :]
    # Athena passes over hidden objects
    hidden = any(part.startswith(("_", ".")) for part in below.split("/"))
    return name.startswith(prefix) and bool(below) and not name.endswith("/") and not hidden and not is_excluded(below)


def _folder(location: Location, name: str) -> str:
    return f"s3://{location.bucket}/{name[: name.rfind('/') + 1]}"


def _schemas(
    bucket: FakeBucket,
    names: list[str],
    location: Location,
    *,
    sample_size: int | None,
    crawled: set[str] | None,
    findings: Findings,
    stopped: Event,
) -> tuple[dict[str, ObjectSchema], dict[str, int]]:
    """Schemas and sizes of the objects; beyond the sample size, an object is taken to be like the last sample."""
    schemas: dict[str, ObjectSchema] = {}
    sizes: dict[str, int] = {}
    looked: dict[str, list[ObjectSchema | None]] = {}
    for name in names:
        folder, key = _folder(location, name), bucket.keys.get(name)
        if stopped.is_set():
            break
        if (crawled is not None and folder in crawled) or not isinstance(key, FakeKey) or not key.contentsize:
            continue
        samples = looked.setdefault(folder, [])
        if sample_size is None or len(samples) < sample_size:
            samples.append(look(key.value))
            if samples[-1] is None:
                findings.lines.append(f"Skipped {folder}{name.rpartition('/')[2]}: its format is not json or parquet")
        schema = samples[-1]
        if schema is not None:
            schemas[name], sizes[name] = schema, key.contentsize
    return schemas, sizes

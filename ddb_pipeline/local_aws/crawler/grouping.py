"""Which objects below an S3 target make one table, and which of its folders are partitions: pure.

Rules: Glue developer guide, "How does a crawler determine when to create partitions?", "Creating a single schema for
each Amazon S3 include path" and "Specifying the table location and partitioning level".
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ddb_pipeline.local_aws.crawler.hive_types import Inferred, merged_columns
from ddb_pipeline.local_aws.crawler.object_schemas import ObjectSchema

_SIMILAR = 0.7
"""Schemas are similar if that many of the columns are the same: the guide names a threshold of 70 percent."""
_LONGEST_NAME = 128


@dataclass(frozen=True)
class Grouping:
    """What a crawler's configuration says of it.

    Attributes:
        combine: Whether schemas that are not similar make one table too, if format and compression are the same.
        level: Level of the folders that are tables, the bucket being level 1; None: the crawler finds it.
    """

    combine: bool = False
    level: int | None = None


@dataclass(frozen=True)
class Group:
    """The objects of one table.

    Attributes:
        location: The table's folder, with a slash at its end, or the one object.
        objects: Schemas by name of the object.
        partition_keys: Names of the partition keys.
    """

    location: str
    objects: Mapping[str, ObjectSchema]
    partition_keys: tuple[str, ...]

    @property
    def columns(self) -> dict[str, Inferred]:
        """The columns of all objects."""
        return columns_of_all(self.objects.values())


def by_partition(
    objects: Mapping[str, ObjectSchema], root: str, partition_keys: Sequence[str]
) -> dict[tuple[str, ...] | None, dict[str, ObjectSchema]]:
    """Objects by the values of their partition; None for those that lie at another depth than the keys say.

    Args:
        objects: Schemas by name.
        root: The table's folder, or its one object.
        partition_keys: Names of its partition keys.
    """
    found: dict[tuple[str, ...] | None, dict[str, ObjectSchema]] = {}
    for name, schema in objects.items():
        folders = name[len(root) :].split("/")[:-1]
        values = None
        if len(folders) == len(partition_keys):
            values = tuple(_value(folder, key) for folder, key in zip(folders, partition_keys, strict=True))
        found.setdefault(values, {})[name] = schema
    return found


def _value(folder: str, partition_key: str) -> str:
    name, _, value = folder.partition("=")
    # where the folders of a level have several names, or none, the whole name is the value
    return value if value and name.lower() == partition_key else folder


def columns_of_all(schemas: Iterable[ObjectSchema]) -> dict[str, Inferred]:
    """The columns of several objects, in the order in which they were seen."""
    columns: dict[str, Inferred] = {}
    for schema in schemas:
        columns = merged_columns(columns, schema.columns)
    return columns


def groups(objects: Mapping[str, ObjectSchema], prefix: str, grouping: Grouping) -> list[Group]:
    """Group the objects below a target.

    Args:
        objects: Schemas by name, of the objects that are crawled.
        prefix: The target's folder, "" or with a slash at its end.
        grouping: The crawler's configuration.
    """
    if grouping.level is None:
        return _grouped(dict(sorted(objects.items())), prefix, grouping)
    # the bucket is level 1, so that a table of level 2 lies in a folder of the bucket
    depth = max(grouping.level - 1, prefix.count("/"))
    roots: dict[str, dict[str, ObjectSchema]] = {}
    for name, schema in sorted(objects.items()):
        folders = name.split("/")[:-1]
        if len(folders) >= depth:
            roots.setdefault("".join(f"{folder}/" for folder in folders[:depth]), {})[name] = schema
    found: list[Group] = []
    for root, below in roots.items():
        found += [_group(root, below)] if _is_table(below, root, grouping) else _grouped(below, root, grouping)
    return found


def _grouped(objects: Mapping[str, ObjectSchema], root: str, grouping: Grouping) -> list[Group]:
    if not objects:
        return []
    if _is_table(objects, root, grouping):
        return [_group(root, objects)]
    here = {name: schema for name, schema in objects.items() if "/" not in name[len(root) :]}
    below: dict[str, dict[str, ObjectSchema]] = {}
    for name, schema in objects.items():
        if name not in here:
            folder, _, _ = name[len(root) :].partition("/")
            below.setdefault(f"{root}{folder}/", {})[name] = schema
    # objects that are no table together are one each, and so are those beside folders
    found = [Group(name, {name: schema}, ()) for name, schema in here.items()]
    for folder, inside in below.items():
        found += _grouped(inside, folder, grouping)
    return found


def _is_table(objects: Mapping[str, ObjectSchema], root: str, grouping: Grouping) -> bool:
    depths = {name[len(root) :].count("/") for name in objects}
    formats = {schema.format for schema in objects.values()}
    if len(depths) > 1 or len(formats) > 1:
        return False
    return grouping.combine or _are_similar(list(objects.values()))


def _are_similar(schemas: Sequence[ObjectSchema]) -> bool:
    usual = set(Counter(frozenset(schema.columns) for schema in schemas).most_common(1)[0][0])
    return all(
        len(usual & set(schema.columns)) >= _SIMILAR * max(len(usual), len(schema.columns)) for schema in schemas
    )


def _group(root: str, objects: Mapping[str, ObjectSchema]) -> Group:
    levels = list(zip(*(name[len(root) :].split("/")[:-1] for name in objects), strict=True))
    keys = []
    for number, folders in enumerate(levels):
        names = {folder.partition("=")[0].lower() if "=" in folder.strip("=") else None for folder in folders}
        [only] = names if len(names) == 1 else {None}
        keys.append(f"partition_{number}" if only is None else only)
    return Group(root, objects, tuple(keys))


def table_name(bucket: str, location: str, table_prefix: str, taken: Iterable[str]) -> str:
    """The name of a new table (Glue developer guide, "What happens when a crawler runs?").

    Args:
        bucket: Bucket of the table's objects.
        location: Folder or object of the table, in the bucket.
        table_prefix: The crawler's prefix for names.
        taken: Names of other tables of the database.
    """
    own = location.rstrip("/").rpartition("/")[2] or bucket
    name = re.sub(r"[^a-z0-9_]", "_", f"{table_prefix}{own}".lower())[:_LONGEST_NAME]
    if name not in set(taken):
        return name
    suffix = hashlib.md5(f"{bucket}/{location}".encode(), usedforsecurity=False).hexdigest()
    return f"{name[: _LONGEST_NAME - len(suffix) - 1]}_{suffix}"

"""MSCK REPAIR TABLE: registers the folders in S3 that look like partitions and are none yet.

It never removes one. Source: Athena user guide, "MSCK REPAIR TABLE": folders in Hive's style only, names in lower case.
"""

from __future__ import annotations

from ddb_pipeline.local_aws.athena.ddl_reader import Reader
from ddb_pipeline.local_aws.athena.definitions import not_found
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.folders import folder_values
from ddb_pipeline.local_aws.athena.listings import TEXT
from ddb_pipeline.local_aws.athena.plans import Lines, Session
from ddb_pipeline.local_aws.athena.relations import Field


def repair_table(session: Session) -> Lines:
    """Register what is missing; the lines say what was found."""
    reader = Reader(session)
    reader.expect("MSCK", "REPAIR", "TABLE")
    schema, name = reader.table()
    reader.end()
    catalog = session.catalog
    entry = catalog.entry(schema, name)
    if entry is None:
        raise not_found(name)
    keys = [str(key["Name"]).lower() for key in entry.get("PartitionKeys") or []]
    if not keys:
        raise QueryFailedError("FAILED", f"SemanticException [Error 10001]: Table is not partitioned {name}")
    location, known = catalog.location(schema, name), catalog.partition_locations(schema, name)
    new: dict[tuple[str | None, ...], str] = {}
    for object_name in session.list_names(location):
        folder = "/".join(object_name.split("/")[: len(keys)])
        values = folder_values(folder, keys) if object_name.count("/") >= len(keys) else None
        # a colon in a value: Athena leaves the folder out and says nothing
        if values is not None and values not in known and not any(":" in value for value in values):
            new[values] = f"{location}{folder}/"
    catalog.add_partitions(schema, name, new)
    if not new:
        return Lines((Field("", TEXT),))
    found = [place.removeprefix(location).removesuffix("/") for place in new.values()]
    shown = "\t".join(f"{name}:{folder}" for folder in found)
    added = [f"Repair: Added partition to metastore {name}:{folder}" for folder in found]
    return Lines((Field("", TEXT),), (f"Partitions not in metastore:\t{shown}", *added))

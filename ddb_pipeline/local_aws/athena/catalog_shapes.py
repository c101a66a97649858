"""Databases and tables as Athena's API shows them."""

from __future__ import annotations

from typing import Any


def shown_database(entry: dict[str, Any]) -> dict[str, Any]:
    """A database (API shape `Database`) of Glue's entry."""
    shown = {
        "Name": entry["Name"],
        "Description": entry.get("Description"),
        "Parameters": entry.get("Parameters") or {},
    }
    return {key: value for key, value in shown.items() if value is not None}


def shown_table(entry: dict[str, Any]) -> dict[str, Any]:
    """A table (API shape `TableMetadata`) of Glue's entry."""
    storage = entry.get("StorageDescriptor") or {}
    parameters = dict(entry.get("Parameters") or {})
    serde = storage.get("SerdeInfo") or {}
    extra = {
        "inputformat": storage.get("InputFormat"),
        "outputformat": storage.get("OutputFormat"),
        "location": storage.get("Location"),
        "serde.serialization.lib": serde.get("SerializationLibrary"),
    }
    return {
        "Name": entry["Name"],
        "CreateTime": entry["CreateTime"].timestamp() if entry.get("CreateTime") else 0,
        "TableType": entry.get("TableType") or "",
        "Columns": [_column(column) for column in storage.get("Columns") or []],
        "PartitionKeys": [_column(column) for column in entry.get("PartitionKeys") or []],
        "Parameters": parameters | {key: value for key, value in extra.items() if value},
    }


def _column(column: dict[str, Any]) -> dict[str, Any]:
    return {key: column[key] for key in ("Name", "Type", "Comment") if column.get(key) is not None}

"""A table in the catalog is held to its declaration, part by part: the check says what, the repair brings it back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ddb_pipeline import projection
from ddb_pipeline.catalog_tables import CatalogTable, all_tables, change_tables
from ddb_pipeline.table_changes import table_changes, with_what_was_chosen

DECLARED = change_tables("gzip")["json"]
WANTED = DECLARED.table_input("bucket")
DECLARED_PROJECTED = change_tables("gzip", projection.parameters(date(2025, 3, 4)))["json"]
PROJECTED = DECLARED_PROJECTED.table_input("bucket")


def said(described: dict[str, Any], declared: CatalogTable = DECLARED) -> list[str]:
    """What the check says, which stops a refresh."""
    wanted = with_what_was_chosen(declared, described).table_input("bucket")
    return [change.text for change in table_changes(described, wanted)]


def parts(described: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(change.part for change in table_changes(described, WANTED)))


@pytest.mark.parametrize("table", all_tables("gzip"), ids=lambda table: table.name)
def test_a_table_as_declared_has_no_changes(table: CatalogTable):
    assert table_changes(table.table_input("bucket"), table.table_input("bucket")) == []


def test_a_table_of_another_format_is_no_such_table():
    described = change_tables("gzip")["parquet"].table_input("bucket")
    assert parts(described) == ["location", "format", "SerDe", "parameters"]


def drop(table: dict[str, Any]) -> None:
    del table["StorageDescriptor"]["Columns"][3]


def retype(table: dict[str, Any]) -> None:
    table["StorageDescriptor"]["Columns"][5]["Type"] = "string"


def add(table: dict[str, Any]) -> None:
    table["StorageDescriptor"]["Columns"].append({"Name": "extra", "Type": "string"})


def swap(table: dict[str, Any]) -> None:
    table["PartitionKeys"].reverse()


def serde(table: dict[str, Any]) -> None:
    table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"] = "org.openx.data.jsonserde.JsonSerDe"


def elsewhere(table: dict[str, Any]) -> None:
    table["StorageDescriptor"]["Location"] = "s3://elsewhere/changes/"


def unclassified(table: dict[str, Any]) -> None:
    del table["Parameters"]["classification"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (elsewhere, "location is s3://elsewhere/changes, not s3://bucket/changes"),
        (unclassified, "parameter classification is None, not json"),
        (drop, "column table_name is missing"),
        (retype, "column changed_at_us is string, not bigint"),
        (add, "column extra is unknown to the contract"),
        (swap, "partition keys are in another order: hour, day, month, year"),
        (serde, "SerDe is org.openx.data.jsonserde.JsonSerDe, not org.apache.hive.hcatalog.data.JsonSerDe"),
    ],
)
def test_a_change_is_told_in_words(change: Callable[[dict[str, Any]], None], text: str):
    table = copy.deepcopy(WANTED)
    change(table)

    assert said(table) == [text]


def test_projection_must_be_as_the_names_of_the_stack_say():
    assert said(PROJECTED, DECLARED_PROJECTED) == []
    assert said(PROJECTED) == ["partition projection is on, not off"]
    assert "parameter projection.enabled is None, not true" in said(WANTED, DECLARED_PROJECTED)
    wrong = {**PROJECTED["Parameters"], "projection.month.digits": "1"}
    assert said({**PROJECTED, "Parameters": wrong}, DECLARED_PROJECTED) == [
        "parameter projection.month.digits is 1, not 2"
    ]


def test_what_the_declaration_has_chosen_since_the_deployment_stops_no_refresh():
    chosen = change_tables("none", projection.parameters(date(2020, 1, 1)))["json"].table_input("bucket")

    assert said(chosen, DECLARED_PROJECTED) == []
    assert len(table_changes(chosen, PROJECTED)) == 2
    del chosen["Parameters"]["compressionType"]
    assert said(chosen, DECLARED_PROJECTED) == ["parameter compressionType is None, not gzip"]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("compressionType", "bzip2", "gzip"),
        ("compressionType", "", "gzip"),
        ("projection.year.range", "2025,2026", "2025,NOW"),
        ("projection.year.range", "NOW-1YEARS,NOW", "2025,NOW"),
        ("projection.year.range", "2025,NOW ", "2025,NOW"),
    ],
)
def test_a_value_that_no_deployment_brings_was_changed_by_somebody(name: str, value: str, wanted: str):
    changed = {**PROJECTED, "Parameters": PROJECTED["Parameters"] | {name: value}}

    assert said(changed, DECLARED_PROJECTED) == [f"parameter {name} is {value}, not {wanted}"]


def test_the_compression_of_parquet_is_nobodys_choice():
    declared = change_tables("gzip")["parquet"]
    changed = declared.table_input("bucket")
    changed["Parameters"]["compressionType"] = "gzip"

    assert said(changed, declared) == ["parameter compressionType is gzip, not none"]


def storage(**changes: Any) -> dict[str, Any]:
    """The table as it is declared, with another storage descriptor."""
    return {**WANTED, "StorageDescriptor": WANTED["StorageDescriptor"] | changes}


@pytest.mark.parametrize(
    ("described", "changed"),
    [
        (WANTED, []),
        ({**WANTED, "Description": "another", "Owner": "me"}, []),
        ({**WANTED, "Parameters": WANTED["Parameters"] | {"UPDATED_BY_CRAWLER": "it"}}, []),
        (storage(Location=WANTED["StorageDescriptor"]["Location"].rstrip("/")), []),
        (storage(Location="s3://elsewhere/"), ["location"]),
        (storage(Columns=WANTED["StorageDescriptor"]["Columns"][1:]), ["columns"]),
        (storage(SerdeInfo={"SerializationLibrary": "openx"}), ["SerDe"]),
        (storage(OutputFormat="other"), ["format"]),
        ({**WANTED, "Parameters": {}}, ["parameters"]),
        ({**WANTED, "PartitionKeys": WANTED["PartitionKeys"][:1]}, ["partition keys"]),
        ({"Name": "changes"}, ["partition keys", "columns", "location", "format", "SerDe", "parameters"]),
    ],
)
def test_the_parts_that_were_changed_are_named(described: dict[str, Any], changed: list[str]):
    assert parts(described) == changed

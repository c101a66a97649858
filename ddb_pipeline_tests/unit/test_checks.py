"""The contract check: what it says about a table that departs from the change row."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ddb_pipeline import change_row, projection
from ddb_pipeline.checks import contract_problems


def table_of(storage: change_row.Storage) -> dict[str, Any]:
    return {
        "StorageDescriptor": {
            "Columns": [{"Name": column.name, "Type": column.type} for column in change_row.COLUMNS],
            "SerdeInfo": {"SerializationLibrary": storage.serialization_library},
            "InputFormat": storage.input_format,
            "OutputFormat": storage.output_format,
        },
        "PartitionKeys": [{"Name": column.name, "Type": column.type} for column in change_row.PARTITION_COLUMNS],
    }


TABLE = table_of(change_row.STORAGES["json"])


@pytest.mark.parametrize("storage", change_row.STORAGES.values(), ids=list(change_row.STORAGES))
def test_a_table_as_declared_has_no_problems(storage: change_row.Storage):
    assert contract_problems(table_of(storage), storage.format) == []


def test_a_table_of_another_format_is_no_such_table():
    assert len(contract_problems(TABLE, "parquet")) == 3


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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop, "column table_name is missing"),
        (retype, "column changed_at_us is string, not bigint"),
        (add, "column extra is unknown to the contract"),
        (swap, "partition keys are in another order: hour, day, month, year"),
        (serde, "SerDe is org.openx.data.jsonserde.JsonSerDe, not org.apache.hive.hcatalog.data.JsonSerDe"),
    ],
)
def test_a_departure_is_named(change: Callable[[dict[str, Any]], None], said: str):
    table = copy.deepcopy(TABLE)
    change(table)

    assert contract_problems(table, "json") == [said]


def test_projection_must_be_as_the_names_of_the_stack_say():
    projected = {**TABLE, "Parameters": projection.parameters(date(2025, 3, 4))}
    assert contract_problems(projected, "json", is_projected=True) == []
    assert contract_problems(projected, "json") == ["partition projection is on, not off"]
    assert "projection.enabled is None, not true" in contract_problems(TABLE, "json", is_projected=True)
    wrong = {**projected["Parameters"], "projection.month.digits": "1"}
    assert contract_problems({**TABLE, "Parameters": wrong}, "json", is_projected=True) == [
        "projection.month.digits is 1, not 2"
    ]


def test_a_table_that_says_nothing_has_every_problem():
    assert len(contract_problems({}, "json")) == len(change_row.COLUMNS) + len(change_row.PARTITION_COLUMNS) + 3

"""What a repair finds, does and says, without AWS: the order, dry runs, batches, and what only a person can mend."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ddb_pipeline import projection
from ddb_pipeline.arrivals import hour_values
from ddb_pipeline.catalog_tables import all_tables, change_tables
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.names import ChangeTable
from ddb_pipeline.repair.catalog import CatalogRepair
from ddb_pipeline.repair.findings import Finding, go_through
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.change_catalog import ChangeCatalog
from ddb_pipeline_tests.declared import NAMES, pipeline

TABLES = all_tables("gzip")
CHANGES = change_tables("gzip")["json"]
WANTED = CHANGES.table_input("bucket")
FIRST = datetime(2026, 3, 5, tzinfo=UTC)


class _NotFoundError(Exception):
    pass


class Glue:
    """Keeps tables and partitions as the calls of a repair make them."""

    exceptions = SimpleNamespace(EntityNotFoundException=_NotFoundError, AlreadyExistsException=ValueError)

    def __init__(self) -> None:
        self.tables = {table.name: table.table_input("bucket") for table in TABLES}
        self.partitions: dict[str, dict[tuple[str, ...], Any]] = {table.name: {} for table in TABLES}
        self.batches: list[int] = []
        self.errors: list[dict[str, Any]] = []
        self.has_database = True

    def get_table(self, Name: str, **_place: str) -> dict[str, Any]:  # noqa: N803
        if Name not in self.tables:
            raise _NotFoundError
        return {"Table": self.tables[Name]}

    def create_table(self, TableInput: dict[str, Any], **_place: str) -> None:  # noqa: N803
        if not self.has_database:
            raise _NotFoundError
        self.tables[TableInput["Name"]] = TableInput

    update_table = create_table

    def get_paginator(self, _name: str) -> Any:
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, *, TableName: str, **_more: Any) -> Any:  # noqa: N803
        if TableName not in self.tables:
            raise _NotFoundError
        yield {"Partitions": list(self.partitions[TableName].values())}

    def batch_create_partition(self, TableName: str, PartitionInputList: list[Any], **_place: str) -> Any:  # noqa: N803
        self.batches.append(len(PartitionInputList))
        self.partitions[TableName] |= {tuple(one["Values"]): one for one in PartitionInputList}
        return {"Errors": self.errors}

    def batch_update_partition(self, TableName: str, Entries: list[Any], **_place: str) -> Any:  # noqa: N803
        self.batches.append(len(Entries))
        for entry in Entries:
            self.partitions[TableName][tuple(entry["PartitionValueList"])] = entry["PartitionInput"]
        return {"Errors": self.errors}


class Place:
    """A pipeline on a stage, as far as the repair of its catalog asks."""

    def __init__(self, hours: list[datetime], crawler: str = "crawler") -> None:
        self.glue, self.hours, self.lines = Glue(), hours, list[str]()
        of_changes = tuple(
            ChangeTable(table.name, table.prefix, table.format, crawler) for table in change_tables("gzip").values()
        )
        names = replace(
            NAMES,
            raw_bucket="bucket",
            database="database",
            change_table=of_changes[0].name,
            changes_prefix=of_changes[0].prefix,
            format="json",
            other_format="parquet",
            crawler=crawler,
            other_crawler=crawler,
            other_change_table=of_changes[1].name,
            other_changes_prefix=of_changes[1].prefix,
        )
        self.parquet_hours: list[datetime] = []
        bucket = SimpleNamespace(hours_by_prefix=self._stored)
        self.deployment: Any = SimpleNamespace(
            catalog=ChangeCatalog(self.glue, "database", of_changes),
            names=names,
            raw_bucket=bucket,
            pipeline=pipeline(),
            stage=SimpleNamespace(compression="gzip"),
            hours_gone=lambda: Deployment.hours_gone(self.deployment),
            baselines=SimpleNamespace(capture=lambda: None),
        )
        self.repair = CatalogRepair(self.deployment, self.lines.append)

    def _stored(self) -> dict[str, list[datetime]]:
        below = {CHANGES.prefix: self.hours, change_tables("gzip")["parquet"].prefix: self.parquet_hours}
        return {prefix: found for prefix, found in below.items() if found}

    def look(self, *, dry_run: bool = False) -> list[str]:
        looks = [self.repair.tables, self.repair.hours, self.repair.baselines, self.repair.gone]
        return [outcome.sentence for outcome in go_through(looks, dry_run=dry_run, note=lambda _outcome: None)]


def hours(number: int) -> list[datetime]:
    return [FIRST + timedelta(hours=step) for step in range(number)]


def test_what_rests_on_something_is_looked_at_after_it_was_mended():
    done: list[str] = []

    def upper() -> Any:
        done.append("upper looked at")
        yield Finding("upper is wrong", "mended", lambda: done.append("upper mended"))

    looks = [lambda: [Finding("lower is wrong", "mended", lambda: done.append("lower mended"))], upper]
    outcomes = go_through(looks, dry_run=False, note=lambda outcome: done.append(outcome.sentence))

    assert done == [
        "lower mended",
        "lower is wrong: mended",
        "upper looked at",
        "upper mended",
        "upper is wrong: mended",
    ]
    assert all(outcome.is_mended for outcome in outcomes)


def test_a_dry_run_says_what_a_repair_would_do_and_what_only_a_person_can():
    def never() -> None:
        raise AssertionError

    looks = [lambda: [Finding("a is wrong", "mended", never), Finding("b is lost", "ask somebody")]]
    outcomes = go_through(looks, dry_run=True, note=lambda _outcome: None)

    assert [outcome.sentence for outcome in outcomes] == [
        "a is wrong: would be mended",
        "b is lost: ask somebody",
    ]
    assert not any(outcome.is_mended for outcome in outcomes)


def test_where_athena_computes_the_hours_none_is_registered():
    place = Place(hours(3), crawler="")
    parameters = projection.parameters(pipeline().start_date)

    # the stack made the tables with a crawler before: a repair brings them to what is published now
    assert [sentence.partition(" was changed")[0] for sentence in place.look()] == [
        "table database.changes",
        "table database.changes_parquet",
    ]
    assert place.glue.tables["changes"]["Parameters"].items() >= parameters.items()
    assert place.look() == []
    assert place.glue.batches == []


def test_projection_that_somebody_switched_on_hides_every_hour_and_is_taken_back():
    place = Place(hours(1))
    place.look()
    place.glue.tables["changes"]["Parameters"] |= projection.parameters(pipeline().start_date)

    (sentence,) = place.look()

    assert sentence.startswith("table database.changes was changed: parameters")
    assert not projection.is_enabled(place.glue.tables["changes"]["Parameters"])


def test_what_pipeline_toml_chooses_and_nobody_has_deployed_yet_is_left_to_the_deployment():
    """With the new compression in the table the crawler would pass over all that Firehose goes on writing."""
    place = Place(hours(1))
    deployed = change_tables("none")["json"]
    place.glue.tables["changes"] = deployed.table_input("bucket")

    (said,) = place.look()

    assert said.startswith("hours that S3 holds are not in table database.changes: 1 ")
    values = hour_values(FIRST)
    assert place.glue.partitions["changes"][values] == deployed.partition_input("bucket", values)
    assert place.look() == []

    place.glue.tables["changes"]["StorageDescriptor"]["Location"] = "s3://elsewhere/"
    (said,) = place.look()
    assert said == "table database.changes was changed: location: brought back to what the stack declares"
    assert place.glue.tables["changes"] == deployed.table_input("bucket")


def test_a_compression_that_no_deployment_brings_is_taken_back_for_the_crawler_passes_over_every_hour():
    place = Place(hours(1))
    place.look()
    place.glue.tables["changes"]["Parameters"]["compressionType"] = "bzip2"

    (said,) = place.look()

    assert said == "table database.changes was changed: parameters: brought back to what the stack declares"
    assert place.glue.tables["changes"]["Parameters"]["compressionType"] == "gzip"


def test_a_pipeline_in_order_has_no_findings_and_nothing_is_written():
    place = Place(hours(3))
    place.look()
    place.glue.batches.clear()

    assert place.look() == []
    assert place.glue.batches == []


def test_hours_are_registered_a_hundred_at_a_time_as_a_crawler_does_with_a_line_a_thousand():
    place = Place(hours(2345))

    (said,) = place.look()

    assert said.startswith("hours that S3 holds are not in table database.changes: 2345 (2026-03-05-00:00, ")
    assert place.glue.batches == [100] * 23 + [45]
    assert place.lines == ["1000 of 2345 hours", "2000 of 2345 hours", "2345 of 2345 hours"]
    values = hour_values(FIRST)
    assert place.glue.partitions["changes"][values] == CHANGES.partition_input("bucket", values)


def test_a_dropped_table_and_its_hours_are_found_in_a_dry_run_too():
    place = Place(hours(2))
    place.look()
    del place.glue.tables["changes"]

    said = place.look(dry_run=True)

    assert [line.partition(":")[0] for line in said] == [
        "table database.changes is not in the Glue catalog",
        "hours that S3 holds are not in table database.changes",
    ]
    assert "changes" not in place.glue.tables


def test_an_hour_that_a_crawl_registers_meanwhile_is_no_error_and_any_other_refusal_is():
    place = Place(hours(1))
    refused = {"PartitionValues": list(hour_values(FIRST)), "ErrorDetail": {"ErrorCode": "AlreadyExistsException"}}
    place.glue.errors = [refused]
    place.look()

    place.glue.partitions["changes"].clear()
    place.glue.errors = [refused | {"ErrorDetail": {"ErrorCode": "InternalFailure", "ErrorMessage": "sorry"}}]
    with pytest.raises(PipelineError, match=r"partition 2026/03/05/00: InternalFailure: sorry: repair again") as caught:
        place.look()
    assert caught.value.transient


def test_a_partition_that_glue_does_not_change_is_named():
    """BatchUpdatePartitionFailureEntry has another name for the values than PartitionError of BatchCreatePartition."""
    place, values = Place(hours(1)), hour_values(FIRST)
    place.look()
    place.glue.partitions["changes"][values] = {"Values": list(values), "StorageDescriptor": {}}
    why = {"ErrorCode": "InternalFailure", "ErrorMessage": "sorry"}
    place.glue.errors = [{"PartitionValueList": list(values), "ErrorDetail": why}]

    with pytest.raises(PipelineError, match=r"partition 2026/03/05/00: InternalFailure: sorry: repair again"):
        place.look()


def test_hours_whose_objects_are_gone_are_told_and_their_partitions_stay():
    place = Place(hours(3))
    place.look()
    place.hours = place.hours[:1]

    (said,) = place.look()

    assert said.startswith("hours whose raw objects are gone from S3 though the views read them: 2 (2026-03-05-01:00, ")
    assert said.endswith('set baseline = "export", deploy, and run persons_baseline')
    assert len(place.glue.partitions["changes"]) == 3


def test_a_gone_hour_does_not_hide_behind_an_hour_of_the_other_format():
    place = Place(hours(3))
    place.parquet_hours = hours(3)[1:]
    place.look()
    place.parquet_hours = place.parquet_hours[1:]
    (one,) = place.look()
    place.parquet_hours = []
    (both,) = place.look()

    assert "gone from S3 though the views read them: 1 (2026-03-05-01:00)" in one
    assert "gone from S3 though the views read them: 2 (2026-03-05-01:00, 2026-03-05-02:00)" in both


def test_a_database_that_is_gone_is_the_stacks_to_bring_back():
    place = Place([])
    place.glue.tables.clear()
    place.glue.has_database = False

    with pytest.raises(
        PipelineError, match=r"database database is not in the Glue catalog: bring it back .*revert-drift"
    ):
        place.look()


def test_a_table_of_other_partition_keys_is_left_to_a_person():
    place = Place([])
    place.glue.tables["changes"] = {**WANTED, "PartitionKeys": WANTED["PartitionKeys"][:1]}

    (said,) = place.look()

    assert said.startswith("table database.changes was changed: partition keys: drop the table (the data in S3 is")
    assert place.glue.tables["changes"]["PartitionKeys"] == WANTED["PartitionKeys"][:1]


def test_an_hour_that_begins_while_hours_are_compared_is_not_gone():
    old, new = datetime(2026, 3, 5, 1, tzinfo=UTC), datetime(2026, 3, 5, 2, tzinfo=UTC)
    stored, registered = {old}, {old}

    def crawl_meanwhile(answer: set[datetime]) -> set[datetime]:
        seen = set(answer)
        stored.add(new)
        registered.add(new)
        return seen

    table = SimpleNamespace(prefix="changes/", name="changes", is_projected=False)
    deployment: Any = SimpleNamespace(
        names=SimpleNamespace(change_tables=[table]),
        catalog=SimpleNamespace(table=lambda _name: {}, hours_of=lambda _table: crawl_meanwhile(registered)),
        raw_bucket=SimpleNamespace(hours_by_prefix=lambda: {"changes/": sorted(crawl_meanwhile(stored))}),
    )

    assert Deployment.hours_gone(deployment) == set()

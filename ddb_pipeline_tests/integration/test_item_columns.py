"""Attributes become typed columns: from DynamoDB by the real path to Athena, refresh by refresh.

The stack is shared with other tests, whose items have attributes too: these ask by path, never by what else there is.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult, RepositoryDefinition

from ddb_pipeline import change_row
from ddb_pipeline.arrivals import hour_prefix, partition_key
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.item_columns.memory import EMPTY, Attribute, Memory
from ddb_pipeline.names import ITEM_COLUMNS_KEY
from ddb_pipeline.resources.column_memory import ColumnMemory
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.jobs import with_the_state_alone

REAL, MADE = "persons", "orders"
"""The one is written through DynamoDB, the other has raw objects put into hours of the past."""
HOSTILE = (
    "a.b",
    "a-b",
    "a b",
    'say "hi"',
    "it's",
    "tags[0]",
    "$ref",
    "back\\slash",
    "line\nfeed",
    "tab\t",
    "🔑",
    "select",
    "Name",
    "NAME",
    "name",
    "item",
    "image",
    "state_certain",
    "1st",
    "ключ",
    "x" * 300,
    "'; DROP VIEW latest_item_state; --",
    '") FROM secrets --',
    "${table}",
    "$$",
    "%s {0}",
)

_fresh_hours = (datetime(2026, 11, 10, tzinfo=UTC) + timedelta(hours=step) for step in itertools.count())


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def loaded(stage: Deployed) -> RepositoryDefinition:
    return stage.loaded()


def refresh(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, pipeline: str
) -> ExecuteInProcessResult:
    """Run the refresh without the views that are not the state's; it succeeds."""
    job = with_the_state_alone(loaded, f"{pipeline}_refresh", stage.declaration.pipelines[pipeline])
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert result.success
    return result


def metadata(result: ExecuteInProcessResult, pipeline: str, name: str) -> dict[str, Any]:
    key = AssetKey([pipeline, name])
    events = result.asset_materializations_for_node(f"{pipeline}__{name}")
    return {name: value.value for name, value in [one for one in events if one.asset_key == key][-1].metadata.items()}


def memory_of(stage: Deployed, pipeline: str) -> ColumnMemory:
    return ColumnMemory(stage.client("s3"), stage.names[pipeline].raw_bucket, ITEM_COLUMNS_KEY)


def remembered(stage: Deployed, pipeline: str) -> dict[tuple[str, ...], str]:
    memory = memory_of(stage, pipeline).read().memory
    assert memory is not None
    return {attribute.path: attribute.column for attribute in memory.attributes}


def types_of(result: ExecuteInProcessResult, pipeline: str) -> dict[str, str]:
    columns = metadata(result, pipeline, "latest_item_state")["dagster/column_schema"].columns
    return {column.name: column.type for column in columns}


def deliver(stage: Deployed, hour: datetime, key: str, attributes: dict[str, Any]) -> str:
    """Put a raw object with one change row into an hour of the past; returns its key in S3."""
    names = stage.names[MADE]
    item_key = {"Customer.Id": {"S": key}, "item": {"N": "1"}}
    image = json.dumps({**item_key, **attributes}, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    row = dict.fromkeys(column.name for column in change_row.COLUMNS) | {
        "row_version": 1,
        "event_id": uuid.uuid4().hex,
        "event_name": "INSERT",
        "table_name": names.table,
        "changed_at_us": 1_767_225_600_000_000,
        "item_key": json.dumps(item_key, separators=(",", ":")),
        "new_image": image,
        "new_hash": hashlib.sha256(image.encode()).hexdigest()[:32],
        "new_item": "{}",
        "expired_by_ttl": False,
        "arrived_at_ms": 1,
        "shard_id": "shard",
        "sequence_number": "1",
    }
    body = gzip.compress((json.dumps(row) + "\n").encode())
    object_key = f"{names.changes_prefix}{hour_prefix(hour)}columns-{uuid.uuid4().hex}.json.gz"
    stage.client("s3").put_object(Bucket=names.raw_bucket, Key=object_key, Body=body)
    return object_key


def column_of(stage: Deployed, path: str, key: str) -> Any:
    name = remembered(stage, MADE)[tuple(path.split("/"))]
    ((value,),) = stage.ask(MADE, f"SELECT {name} FROM latest_item_state WHERE \"customer_id\" = '{key}'")
    return value


def test_hostile_names_and_all_types_come_through_the_real_path(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    key = f"columns-{uuid.uuid4().hex}"
    digits = "-1234567890123456789012345678.9012345678"
    values: dict[str, Any] = {
        "columns text": {"S": "Grüße 🔑 \"'\\"},
        "columns whole": {"N": "42"},
        "columns long": {"N": "9" * 38},
        "columns exact": {"N": digits},
        "columns flag": {"BOOL": False},
        "columns bytes": {"B": b"\x00\xff"},
        "columns words": {"SS": ["b", "a"]},
        "columns numbers": {"NS": ["10", "9.5"]},
        "columns list": {"L": [{"S": "x"}, {"N": "0.10000000000000000001"}, {"NULL": True}, {"M": {"L": {"L": []}}}]},
        "columns map": {"M": {"deep": {"M": {"N": {"N": "1"}}}, "order": {"N": "7"}}},
        "columns nothing": {"NULL": True},
    }
    hostile = {name: {"S": f"value of {number}"} for number, name in enumerate(HOSTILE)}
    stage.client("dynamodb").put_item(TableName=stage.names[REAL].table, Item={"pk": {"S": key}, **values, **hostile})
    stage.wait_for_rows(REAL, f"item_key LIKE '%{key}%'", 1)

    result = refresh(stage, loaded, instance, REAL)

    columns = remembered(stage, REAL)
    # other tests of this table may have written a map of such a name
    paths = [path for path in columns if path[0] in values or (len(path) == 1 and path[0] in hostile)]
    selected = ", ".join(columns[path] for path in paths)
    (row,) = stage.ask(REAL, f"SELECT {selected} FROM latest_item_state WHERE pk = '{key}'")
    found = dict(zip(paths, row, strict=True))
    assert {name: found[name,] for name in HOSTILE} == {name: value["S"] for name, value in hostile.items()}
    assert found == {
        **{(name,): value["S"] for name, value in hostile.items()},
        ("columns text",): values["columns text"]["S"],
        ("columns whole",): 42,
        ("columns long",): Decimal("9" * 38),
        ("columns exact",): Decimal(digits),
        ("columns flag",): False,
        ("columns bytes",): b"\x00\xff",
        ("columns words",): found["columns words",],
        ("columns numbers",): found["columns numbers",],
        ("columns list",): '["x",0.10000000000000000001,null,{"L":[]}]',
        ("columns map", "deep"): '{"N":1}',
        ("columns map", "order"): 7,
    }
    texts = stage.ask(
        REAL,
        f"SELECT array_join({columns['columns words',]}, ' '), array_join({columns['columns numbers',]}, ' ') "
        f"FROM latest_item_state WHERE pk = '{key}'",
    )
    assert texts == [("a b", "10 9.5")]
    types = types_of(result, REAL)
    assert types[columns["columns exact",]] == "decimal(38,10)"
    assert types[columns["columns words",]] == "array(varchar)"
    lineage = metadata(result, REAL, "latest_item_state")["dagster/column_lineage"].deps_by_column
    assert [dep.column_name for dep in lineage[columns["a.b",]]] == ["new_image"]
    table = metadata(result, REAL, "item_attributes")["mapping"]
    mapping = {record.data["attribute"]: record.data for record in table.records}
    assert mapping['["a.b"]']["column"] == columns["a.b",]
    assert mapping["columns whole"]["type"] == "bigint"
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks["values_fit_their_columns"]


def test_a_column_widens_from_refresh_to_refresh_and_keeps_its_name(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    name, shown = f"widening {uuid.uuid4().hex}", []
    for number, value in enumerate(({"N": "1"}, {"N": "1.5"}, {"S": "one"}), start=1):
        deliver(stage, next(_fresh_hours), f"{name} {number}", {name: value})
        result = refresh(stage, loaded, instance, MADE)
        column = remembered(stage, MADE)[name,]
        shown.append((types_of(result, MADE)[column], column_of(stage, name, f"{name} 1")))
        said = metadata(result, MADE, "item_attributes")
        assert (f"{column} bigint" in said["new"]) == (number == 1)
        assert (f"{column}: " in said["widened"]) == (number > 1)

    assert shown == [("bigint", 1), ("decimal(38,1)", Decimal("1.0")), ("varchar", "1")]
    assert len({column for path, column in remembered(stage, MADE).items() if path == (name,)}) == 1


def test_without_new_hours_no_query_is_paid_for(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    hour = next(_fresh_hours)
    deliver(stage, hour, uuid.uuid4().hex, {"x": {"S": "y"}})
    first = metadata(refresh(stage, loaded, instance, MADE), MADE, "item_attributes")
    again = metadata(refresh(stage, loaded, instance, MADE), MADE, "item_attributes")

    assert first["hours_looked_at"] >= 1
    assert "query" in first
    assert (again["hours_looked_at"], again["new"], again["widened"]) == (0, "none", "none")
    assert "query" not in again


def test_an_hour_that_grew_since_it_was_looked_at_is_looked_at_again(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    hour, mark = next(_fresh_hours), uuid.uuid4().hex
    deliver(stage, hour, f"{mark} 1", {f"{mark} first": {"S": "x"}})
    refresh(stage, loaded, instance, MADE)
    deliver(stage, hour, f"{mark} 2", {f"{mark} second": {"S": "y"}})

    grown = metadata(refresh(stage, loaded, instance, MADE), MADE, "item_attributes")

    assert partition_key(hour) in grown["hours_looked_at_list"]
    assert column_of(stage, f"{mark} second", f"{mark} 2") == "y"


def _definitions(directory: Path, text: str, limit: int) -> RepositoryDefinition:
    path = directory / f"{limit}.toml"
    path.write_text(text.replace("sort_key = ", f"max_item_columns = {limit}\nsort_key = "), encoding="utf-8")
    return build_definitions(load_declaration(path)).get_repository_def()


def test_three_hundred_attributes_of_one_name_space_and_one_name_of_two_types(
    stage: Deployed, instance: DagsterInstance, tmp_path: Path
):
    # without measuring, which the shared stage does each time: it takes long with so many columns
    text = stage.declaration.path.read_text(encoding="utf-8").replace('measure = "each"', 'measure = "never"')
    narrow, roomy = (_definitions(tmp_path, text, limit) for limit in (200, 400))
    refresh(stage, narrow, instance, MADE)
    s3, bucket = stage.client("s3"), stage.names[MADE].raw_bucket
    kept = s3.get_object(Bucket=bucket, Key=ITEM_COLUMNS_KEY)["Body"].read()
    mark = uuid.uuid4().hex[:8]
    many = {f"{mark}-{number:03}": {"S": str(number)} for number in range(300)}
    objects = [
        deliver(stage, next(_fresh_hours), mark, {**many, f"{mark} both": {"N": "1"}}),
        deliver(stage, next(_fresh_hours), f"{mark} other", {f"{mark} both": {"S": "one"}}),
    ]
    try:
        types = types_of(refresh(stage, narrow, instance, MADE), MADE)
        assert sum(name in types for name in remembered(stage, MADE).values()) == 200
        refresh(stage, roomy, instance, MADE)

        assert sum(path[0].startswith(mark) for path in remembered(stage, MADE)) == 301
        assert column_of(stage, f"{mark} both", mark) == "1"
        assert column_of(stage, f"{mark} both", f"{mark} other") == "one"
        assert column_of(stage, f"{mark}-299", mark) == "299"
    finally:
        # no other test is to find them, whatever it has looked at again
        for key in objects:
            s3.delete_object(Bucket=bucket, Key=key)
        s3.put_object(Bucket=bucket, Key=ITEM_COLUMNS_KEY, Body=kept)


def test_a_value_that_does_not_fit_is_null_in_the_item_and_counted(
    stage: Deployed, instance: DagsterInstance, tmp_path: Path
):
    mark = f"declared {uuid.uuid4().hex[:8]}"
    declared = f'\n[pipelines.orders.columns]\n"{mark}" = "decimal(38,2)"\n\n[stages.local]'
    text = stage.declaration.path.read_text(encoding="utf-8").replace("[stages.local]", declared)
    path = tmp_path / "pipeline.toml"
    path.write_text(text, encoding="utf-8")
    loaded = build_definitions(load_declaration(path)).get_repository_def()
    for key, value in (("fits", {"N": "1.25"}), ("longer", {"N": "1.255"}), ("text", {"S": "1.25"})):
        deliver(stage, next(_fresh_hours), f"{mark} {key}", {mark: value})

    result = loaded.get_job(f"{MADE}_refresh").execute_in_process(instance=instance, raise_on_error=False)

    assert column_of(stage, mark, f"{mark} fits") == Decimal("1.25")
    assert column_of(stage, mark, f"{mark} longer") is None
    assert column_of(stage, mark, f"{mark} text") is None
    (check,) = [
        found for found in result.get_asset_check_evaluations() if found.check_name == "values_fit_their_columns"
    ]
    assert not check.passed
    (line,) = [record.data for record in check.metadata["by_column"].value.records if record.data["attribute"] == mark]
    assert (line["items"], line["type"]) == (2, "decimal(38,2)")
    assert f"{mark} longer" in line["examples"]
    assert f"{mark} text" in line["examples"]


def test_lost_or_broken_memory_is_made_anew_with_the_same_names(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    deliver(
        stage, next(_fresh_hours), uuid.uuid4().hex, {"Lost And Found": {"M": {"Überall": {"N": "1"}, "": {"N": "2"}}}}
    )
    refresh(stage, loaded, instance, MADE)
    before, memory = remembered(stage, MADE), memory_of(stage, MADE)
    s3, bucket = stage.client("s3"), stage.names[MADE].raw_bucket

    for lose in (
        lambda: s3.delete_object(Bucket=bucket, Key=ITEM_COLUMNS_KEY),
        lambda: s3.put_object(Bucket=bucket, Key=ITEM_COLUMNS_KEY, Body=b"{ broken"),
    ):
        lose()
        assert memory.read().memory is None
        assert metadata(refresh(stage, loaded, instance, MADE), MADE, "item_attributes")["hours_looked_at"] > 1
        after = remembered(stage, MADE)
        assert after["Lost And Found", ""] == before["Lost And Found", ""] == "lost_and_found"
        assert after["Lost And Found", "Überall"] == before["Lost And Found", "Überall"] == "lost_and_found_uberall"


def test_a_memory_of_a_later_version_is_not_overwritten(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    refresh(stage, loaded, instance, MADE)
    s3, bucket = stage.client("s3"), stage.names[MADE].raw_bucket
    kept = s3.get_object(Bucket=bucket, Key=ITEM_COLUMNS_KEY)["Body"].read()
    s3.put_object(Bucket=bucket, Key=ITEM_COLUMNS_KEY, Body=b'{"version": 99}')
    try:
        result = loaded.get_job(f"{MADE}_refresh").execute_in_process(instance=instance, raise_on_error=False)
        body = s3.get_object(Bucket=bucket, Key=ITEM_COLUMNS_KEY)["Body"].read()
    finally:
        s3.put_object(Bucket=bucket, Key=ITEM_COLUMNS_KEY, Body=kept)

    failure = result.failure_data_for_node(f"{MADE}__item_attributes")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "has version 99" in str(failure.user_failure_data.description)
    assert body == b'{"version": 99}'


def test_of_two_writers_the_second_is_told_to_read_again(stage: Deployed):
    memory = ColumnMemory(stage.client("s3"), stage.names[MADE].raw_bucket, f"test/{uuid.uuid4().hex}.json")
    one = Memory((Attribute(("one",), "one", "now"),))

    nothing = memory.read()
    assert nothing.memory is None
    assert memory.write(one, nothing)
    assert not memory.write(EMPTY, nothing), "it was not there when this writer read"
    seen = memory.read()
    assert memory.write(EMPTY, seen)
    assert not memory.write(one, seen), "it has changed since this writer read"
    stage.client("s3").delete_object(Bucket=memory.bucket, Key=memory.key)
    assert not memory.write(one, memory.read().__class__(one, seen.etag)), "it is gone since this writer read"


def test_two_runs_at_once_lose_neither_ones_discoveries(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    refresh(stage, loaded, instance, MADE)
    ours, theirs = (f"{whose} {uuid.uuid4().hex}" for whose in ("ours", "theirs"))
    deliver(stage, next(_fresh_hours), ours, {ours: {"S": "x"}})
    write, races = ColumnMemory.write, iter([True])

    def write_second(self: ColumnMemory, memory: Memory, before: Any) -> bool:
        if next(races, False):
            current = self.read()
            assert current.memory is not None
            found = Attribute((theirs,), theirs.replace(" ", "_"), "now")
            added = Memory(
                (*current.memory.attributes, found),
                current.memory.looked_at,
                current.memory.baseline_id,
                current.memory.depth,
                current.memory.limit,
            )
            assert write(self, added, current)
        return write(self, memory, before)

    monkeypatch.setattr(ColumnMemory, "write", write_second)
    refresh(stage, loaded, instance, MADE)

    assert {(ours,), (theirs,)} <= remembered(stage, MADE).keys()

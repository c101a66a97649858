"""Erasing an item: never before its deletion is there, and never over what somebody else has written meanwhile."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from pyarrow import parquet

from ddb_pipeline.baselines import DATA_PREFIX, EXPORTS_PREFIX
from ddb_pipeline.baselines.records import Manifest, StoredFile
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.erase import erase_item
from ddb_pipeline.cli.erasure.keys import Item, key_of
from ddb_pipeline.cli.erasure.places import RawObjects
from ddb_pipeline.cli.erasure.rows import take
from ddb_pipeline.errors import PipelineError
from ddb_pipeline_tests import declared

NAMES = declared.NAMES
CHANGES = f"{NAMES.changes_prefix}year=2026/month=11/day=01/hour=00/"
ANNA, BERT = (Item(NAMES.table, key_of({"pk": {"S": name}})) for name in ("anna", "bert"))


class NoSuchKeyError(Exception):
    """As boto3 makes one for a client."""


class FakeS3:
    """Objects of any bucket, with ETags and the conditions on them."""

    exceptions = SimpleNamespace(NoSuchKey=NoSuchKeyError)

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.before_write: Callable[[], None] | None = None

    def put_object(
        self,
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        Metadata: dict[str, str] | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        **_request: Any,
    ) -> None:
        self._require(Key, IfMatch)
        tag = f'"{hashlib.md5(Body).hexdigest()}"'
        self.objects[Key] = {
            "Key": Key, "content": Body, "Metadata": Metadata or {}, "ETag": tag, "LastModified": datetime.now(UTC)
        }  # fmt: skip

    def delete_object(self, Key: str, IfMatch: str | None = None, **_request: Any) -> None:  # noqa: N803
        self._require(Key, IfMatch)
        del self.objects[Key]

    def delete_objects(self, **_request: Any) -> dict[str, Any]:
        return {}

    def get_object(self, Key: str, **_request: Any) -> dict[str, Any]:  # noqa: N803
        if Key not in self.objects:
            raise NoSuchKeyError
        return {**self.objects[Key], "Body": io.BytesIO(self.objects[Key]["content"])}

    head_object = get_object

    def get_object_tagging(self, **_request: Any) -> dict[str, Any]:
        return {"TagSet": []}

    def get_bucket_versioning(self, **_request: Any) -> dict[str, Any]:
        return {}

    def get_paginator(self, _operation: str) -> FakeS3:
        return self

    def paginate(self, Bucket: str, Prefix: str = "") -> Iterator[dict[str, Any]]:  # noqa: N803
        own = Bucket == NAMES.raw_bucket
        yield {"Contents": [one for name, one in sorted(self.objects.items()) if own and name.startswith(Prefix)]}

    def _require(self, key: str, etag: str | None) -> None:
        if etag and self.before_write:
            meanwhile, self.before_write = self.before_write, None
            meanwhile()
        if etag and key not in self.objects:
            raise refused("NoSuchKey")
        if etag and etag != self.objects[key]["ETag"]:
            raise refused("PreconditionFailed")


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")


class FakeBaselines:
    """One baseline with one file, or none; and those that are being made."""

    def __init__(self, s3: FakeS3, manifest: Manifest | None = None) -> None:
        self._s3, self.manifest = s3, manifest
        self.making: list[str] = []

    def pending(self) -> list[Any]:
        return [SimpleNamespace(baseline_id=name) for name in self.making]

    def manifests(self) -> list[Manifest]:
        return [self.manifest] if self.manifest else []

    manifests_of_all_tables = manifests

    def files(self, _baseline_id: str) -> tuple[StoredFile, ...]:
        found = self._s3.objects.values()
        return tuple(stored(one) for one in found if one["Key"].startswith(DATA_PREFIX))

    def rewrite(self, manifest: Manifest) -> None:
        self.manifest = manifest


def stored(found: dict[str, Any]) -> StoredFile:
    return StoredFile(found["Key"], len(found["content"]), found["ETag"].strip('"'))


def change(name: str, event: str, at: int, table: str = NAMES.table) -> bytes:
    key = json.dumps({"pk": {"S": name}}, separators=(",", ":"))
    return json.dumps({"table_name": table, "item_key": key, "event_name": event, "changed_at_us": at}).encode() + b"\n"


def failure(name: str, event: str, at: int) -> bytes:
    changed = {"Keys": {"pk": {"S": name}}, "ApproximateCreationDateTime": at}
    record = {"tableName": NAMES.table, "eventName": event, "dynamodb": changed}
    return json.dumps({"rawData": base64.b64encode(json.dumps(record).encode()).decode()}).encode()


def baseline_file(*rows: tuple[str, int], table: str = NAMES.table) -> bytes:
    keys = [json.dumps({"pk": {"S": name}}, separators=(",", ":")) for name, _ in rows]
    columns = {
        "item_key": keys,
        "table_name": [table] * len(rows),
        "changed_at_us": [at for _, at in rows],
        "event_name": ["BASELINE"] * len(rows),
        "state_certain": [name != "bert" for name, _ in rows],
    }
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue().to_pybytes())


def holding(s3: FakeS3, item: Item) -> list[str]:
    """Keys of objects that hold an item."""
    return [one for one, found in s3.objects.items() if take(found["content"], "rows", item).rows]


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


def erased(s3: FakeS3, item: Item, *, baselines: FakeBaselines | None = None, **options: bool) -> None:
    deployment: Any = SimpleNamespace(
        names=NAMES,
        settings=SimpleNamespace(connection=None),
        stage=SimpleNamespace(name="dev", buffer_seconds=60, baseline_margin_seconds=100, stream_retention_hours=24),
        baselines=baselines or FakeBaselines(s3),
    )
    erase_item(deployment, RawObjects(s3, NAMES), item, **{"apply": True, **options})


@pytest.fixture(autouse=True)
def no_item_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    in_table(monkeypatch, lambda **_: {})


def in_table(monkeypatch: pytest.MonkeyPatch, get_item: Callable[..., Any]) -> None:
    monkeypatch.setattr("ddb_pipeline.cli.erase.make_client", lambda *_: SimpleNamespace(get_item=get_item))


def test_nothing_is_erased_before_the_deletion_has_arrived_however_often_it_is_tried(s3, capsys):
    s3.put_object(CHANGES + "a", change("anna", "INSERT", 1) + change("bert", "INSERT", 1))
    before = dict(s3.objects)

    for _ in range(2):
        with pytest.raises(UserError, match=r"deletion is not among what was found.*nothing was changed.*180 seconds"):
            erased(s3, ANNA)
        assert s3.objects == before
        assert "Erased" not in capsys.readouterr().out

    s3.put_object(CHANGES + "b", change("anna", "REMOVE", 2))
    erased(s3, ANNA)

    assert {key: one["content"] for key, one in s3.objects.items()} == {
        CHANGES + "a": change("bert", "INSERT", 1),
        CHANGES + "b": b"",
    }
    assert "Erased: 2 rows in 2 objects" in capsys.readouterr().out


def test_a_deletion_that_will_never_arrive_is_not_waited_for_where_that_is_said(s3):
    s3.put_object(CHANGES + "a", change("anna", "INSERT", 1))

    erased(s3, ANNA, without_deletion=True)

    assert s3.objects[CHANGES + "a"]["content"] == b""


def test_a_deletion_that_could_not_be_delivered_is_erased_where_it_lies(s3):
    s3.put_object(CHANGES + "a", change("anna", "INSERT", 1_790_000_000_000_000))
    s3.put_object(f"{NAMES.errors_prefix}x", failure("anna", "REMOVE", 1_790_000_000_001))

    erased(s3, ANNA)

    assert list(s3.objects) == [CHANGES + "a"]


@pytest.mark.parametrize(("deleted_at", "is_erased"), [(901_000_000, True), (899_000_000, False)])
def test_a_baseline_may_be_behind_a_deletion_by_its_margin_and_no_more(s3, deleted_at, is_erased):
    s3.put_object(f"{DATA_PREFIX}f", baseline_file(("anna", 1_000_000_000)))
    s3.put_object(CHANGES + "a", change("anna", "REMOVE", deleted_at))

    if is_erased:
        erased(s3, ANNA)
    else:
        with pytest.raises(UserError, match="nothing was changed"):
            erased(s3, ANNA)


def test_where_nothing_is_found_it_says_that_something_may_be_under_way(s3, capsys):
    erased(s3, ANNA)

    said = " ".join(capsys.readouterr().out.split())
    assert "nothing of the item is there" in said
    assert "may arrive after this: to be sure, run it again after" in said


def test_two_erasures_at_once_bring_neither_item_back(s3):
    s3.put_object(CHANGES + "a", b"".join(change(name, "REMOVE", 1) for name in ("anna", "bert", "eve")))
    s3.put_object(f"{NAMES.errors_prefix}x", failure("anna", "REMOVE", 1) + b"\n" + failure("bert", "REMOVE", 1))

    # each time one has read an object, the other erases its item from everything
    s3.before_write = lambda: erased(s3, BERT)
    erased(s3, ANNA)

    assert {key: one["content"] for key, one in s3.objects.items()} == {CHANGES + "a": change("eve", "REMOVE", 1)}


def test_an_object_that_was_written_again_says_since_when_it_is_there_however_often_that_is_done(s3):
    s3.put_object(CHANGES + "a", b"".join(change(name, "REMOVE", 1) for name in ("anna", "bert", "eve")), {"own": "1"})
    first = s3.objects[CHANGES + "a"]["LastModified"] = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)

    for key in (ANNA, BERT):
        erased(s3, key)
        assert s3.objects[CHANGES + "a"]["Metadata"] == {"own": "1", "stored-at": first.isoformat()}


def test_an_object_that_was_deleted_meanwhile_stays_so(s3):
    s3.put_object(CHANGES + "a", change("anna", "REMOVE", 1))
    s3.before_write = lambda: s3.delete_object(CHANGES + "a")

    erased(s3, ANNA)

    assert s3.objects == {}


def test_a_manifest_is_right_after_two_erasures_at_once(s3):
    s3.put_object(f"{DATA_PREFIX}f", baseline_file(("anna", 1), ("bert", 1), ("eve", 1)))
    (file,) = FakeBaselines(s3).files("b")
    manifest = Manifest("b", "snapshot", 1, 0, 0, 0, 3, 1, None, "t", "i", 1, None, {}, 0, 0.0, (file,))
    baselines = FakeBaselines(s3, manifest)
    s3.put_object(CHANGES + "a", change("anna", "REMOVE", 2) + change("bert", "REMOVE", 2))

    # the other one is broken off before it could mend the manifest
    s3.before_write = lambda: erased(s3, BERT)
    erased(s3, ANNA, baselines=baselines)

    assert baselines.manifest == dataclasses.replace(manifest, rows=1, uncertain=0, files=FakeBaselines(s3).files("b"))


def test_a_file_that_somebody_else_changed_stays_a_damage(s3):
    s3.put_object(f"{DATA_PREFIX}f", baseline_file(("anna", 1), ("eve", 1)))
    manifest = Manifest("b", "snapshot", 1, 0, 0, 0, 2, 0, None, "t", "i", 1, None, {}, 0, 0.0, (
        StoredFile(f"{DATA_PREFIX}f", 1, "another"),
    ))  # fmt: skip
    baselines = FakeBaselines(s3, manifest)
    s3.put_object(CHANGES + "a", change("anna", "REMOVE", 2))

    erased(s3, ANNA, baselines=baselines)

    assert baselines.manifest == manifest


# --- a baseline that is made meanwhile: it may have read objects before the item was taken out of them


def test_nothing_is_called_erased_while_a_baseline_is_being_made_that_may_bring_the_item_back(s3, capsys):
    baselines = FakeBaselines(s3)
    s3.put_object(CHANGES + "a", change("anna", "INSERT", 1))
    s3.put_object(CHANGES + "b", change("anna", "REMOVE", 2))
    s3.before_write = lambda: baselines.making.append("b1")

    with pytest.raises(UserError, match=r"baseline b1 was being made meanwhile.*run this again when it is done"):
        erased(s3, ANNA, baselines=baselines)
    assert "Erased:" not in capsys.readouterr().out

    # it is done, as of a moment before the deletion
    baselines.making.clear()
    s3.put_object(f"{DATA_PREFIX}f", baseline_file(("anna", 1)))
    erased(s3, ANNA, baselines=baselines)

    assert "Erased: 2 rows in 2 objects" in capsys.readouterr().out
    assert holding(s3, ANNA) == []


def test_a_baseline_that_is_begun_after_the_deletion_was_taken_out_has_the_next_run_not_wait_for_that(s3):
    baselines = FakeBaselines(s3)
    s3.put_object(CHANGES + "a", change("anna", "MODIFY", 1) + change("anna", "REMOVE", 2))
    s3.before_write = lambda: baselines.making.append("b1")

    with pytest.raises(UserError, match=r"baseline b1 was being made meanwhile.*--without-deletion"):
        erased(s3, ANNA, baselines=baselines)

    baselines.making.clear()
    s3.put_object(f"{DATA_PREFIX}f", baseline_file(("anna", 1)))
    erased(s3, ANNA, baselines=baselines, without_deletion=True)
    assert holding(s3, ANNA) == []


def test_baselines_that_were_made_meanwhile_one_of_the_other_are_looked_into_as_well(s3, capsys):
    s3.put_object(CHANGES + "a", change("anna", "INSERT", 1))
    s3.put_object(CHANGES + "b", change("anna", "REMOVE", 2))

    def second() -> None:
        s3.put_object(f"{DATA_PREFIX}g", baseline_file(("anna", 1), ("eve", 1)))

    def first() -> None:
        s3.put_object(f"{DATA_PREFIX}f", baseline_file(("anna", 1), ("bert", 1)))
        reads = s3.get_object

        def read_by_both(Key: str, **request: Any) -> Any:  # noqa: N803
            if Key == f"{DATA_PREFIX}f":
                s3.before_write, s3.get_object = second, reads
            return reads(Key, **request)

        s3.get_object = read_by_both

    s3.before_write = first
    erased(s3, ANNA)

    assert holding(s3, ANNA) == []
    assert "Erased: 4 rows in 4 objects" in capsys.readouterr().out


# --- a pipeline that streamed another table before


FORMER_ANNA = Item("former", ANNA.key)


@pytest.fixture
def two_tables(s3: FakeS3) -> FakeS3:
    """An item of the same key in both tables, and both are deleted."""
    s3.put_object(CHANGES + "a", change("anna", "INSERT", 1, "former") + change("anna", "REMOVE", 2, "former"))
    s3.put_object(CHANGES + "b", change("anna", "INSERT", 3) + change("anna", "REMOVE", 4, "former"))
    s3.put_object(CHANGES + "c", change("anna", "REMOVE", 5))
    s3.put_object(f"{DATA_PREFIX}f", baseline_file(("anna", 1), table="former"))
    s3.put_object(f"{DATA_PREFIX}g", baseline_file(("anna", 3), ("eve", 3)))
    for table, export in (("former", "01-a"), (NAMES.table, "02-b")):
        folder = f"{EXPORTS_PREFIX}AWSDynamoDB/{export}/"
        s3.put_object(
            f"{folder}data/x.json.gz", gzip.compress(b'{"Item":{"pk":{"S":"anna"},"n":{"N":"1"}}}\n', mtime=0)
        )
        arn = f"arn:aws:dynamodb:eu-central-1:111122223333:table/{table}"
        s3.put_object(f"{folder}manifest-summary.json", json.dumps({"tableArn": arn}).encode())
    return s3


def exported(s3: FakeS3) -> list[int]:
    """How many items are left in each export, that of the former table first."""
    files = [found["content"] for name, found in sorted(s3.objects.items()) if name.endswith(".json.gz")]
    return [gzip.decompress(file).count(b"Item") for file in files]


@pytest.mark.parametrize(("item", "other"), [(ANNA, FORMER_ANNA), (FORMER_ANNA, ANNA)])
def test_an_item_of_another_table_with_the_same_key_stays_and_is_named(two_tables, capsys, item, other):
    before = holding(two_tables, other)
    (rows, others), left = ((4, 5), [1, 0]) if item == ANNA else ((5, 4), [0, 1])

    erased(two_tables, item)

    assert holding(two_tables, item) == []
    assert holding(two_tables, other) == before
    assert exported(two_tables) == left
    said = " ".join(capsys.readouterr().out.split())
    assert f"table {item.table}: " in said
    assert f"{others} rows with this key are of table {other.table}, so of another item, and stay" in said
    assert f"--table {other.table}" in said
    assert f"Erased: {rows} rows" in said


def test_the_deletion_of_an_item_of_another_table_is_not_this_ones(s3):
    s3.put_object(CHANGES + "a", change("anna", "INSERT", 1) + change("anna", "REMOVE", 2, "former"))

    with pytest.raises(UserError, match="deletion is not among what was found"):
        erased(s3, ANNA)


def test_an_item_that_its_former_table_still_holds_takes_that_to_be_said(two_tables, monkeypatch):
    in_table(monkeypatch, lambda **_: {"Item": {"pk": {"S": "anna"}}})

    with pytest.raises(UserError, match=r"is in table former: delete it there first.*--without-deletion"):
        erased(two_tables, FORMER_ANNA)
    erased(two_tables, FORMER_ANNA, without_deletion=True)
    assert holding(two_tables, FORMER_ANNA) == []

    with pytest.raises(UserError, match="is in table the_table: delete it there first"):
        erased(two_tables, ANNA, without_deletion=True)


def test_a_former_table_may_be_gone_and_the_one_that_is_streamed_may_not(two_tables, monkeypatch):
    def gone(**_request: Any) -> Any:
        raise refused("ResourceNotFoundException")

    in_table(monkeypatch, gone)
    erased(two_tables, FORMER_ANNA)

    assert holding(two_tables, FORMER_ANNA) == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        erased(two_tables, ANNA)


def test_a_key_that_the_table_does_not_have_is_refused(two_tables, monkeypatch):
    def invalid(**_request: Any) -> Any:
        raise refused("ValidationException")

    in_table(monkeypatch, invalid)
    with pytest.raises(UserError, match="--key is no key of table former"):
        erased(two_tables, FORMER_ANNA)


def test_an_object_that_is_written_again_and_again_is_named(s3, monkeypatch):
    s3.put_object(CHANGES + "a", change("anna", "REMOVE", 1))
    monkeypatch.setattr(
        s3, "_require", lambda _key, etag: etag and (_ for _ in ()).throw(refused("PreconditionFailed"))
    )

    with pytest.raises(PipelineError, match="was written by somebody else 20 times"):
        erased(s3, ANNA)

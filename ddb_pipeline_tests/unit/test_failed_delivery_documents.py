"""What Firehose writes about records that it could not deliver is read back to the byte."""

from __future__ import annotations

import base64
import gzip
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddb_pipeline.failed_deliveries.documents import (
    REPLAY_MARK,
    FailedRecord,
    UnreadableDocumentError,
    read_document,
)
from ddb_pipeline.failed_deliveries.receipts import Receipt
from ddb_pipeline.failed_deliveries.rows import change_record_of
from ddb_pipeline_tests.change_records import Change
from ddb_pipeline_tests.unit.test_change_converter_properties import FOLDER, changes


@pytest.fixture(scope="module")
def row_of() -> Iterator[Callable[[bytes], bytes | None]]:
    """The line that the converter makes; None: it refuses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        handler = importlib.import_module("change_converter").handler

        def convert(data: bytes) -> bytes | None:
            record = {"recordId": "1", "data": base64.b64encode(data).decode()}
            [answer] = handler({"records": [record]}, None)["records"]
            return base64.b64decode(answer["data"]) if answer["result"] == "Ok" else None

        yield convert


@pytest.fixture(scope="module")
def converted(row_of: Callable[[bytes], bytes | None]) -> Callable[[bytes], dict[str, Any] | None]:
    """The row that the converter makes, parsed."""

    def convert(data: bytes) -> dict[str, Any] | None:
        row = row_of(data)
        return json.loads(row) if row is not None else None

    return convert


def change(key: str, event_id: str = "event") -> bytes:
    return Change({"pk": {"S": key}}, None, {"a": {"N": "1"}}, 1_700_000_000_000_000, event_id).record("t", "eu-west-1")


def line(data: bytes, **more: Any) -> bytes:
    content = {
        "attemptsMade": 4,
        "arrivalTimestamp": 1_700_000_000_000,
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "it failed",
        "rawData": base64.b64encode(data).decode(),
        "lambdaArn": "arn",
    }
    return json.dumps(content | more).encode() + b"\n"


@given(records=st.lists(st.binary(), min_size=1, max_size=5), compressed=st.booleans())
def test_every_record_comes_back_whatever_its_bytes_are(records: list[bytes], compressed: bool):
    body = b"".join(map(line, records))

    read = read_document(gzip.compress(body) if compressed else body)

    assert [record.data for record in read] == records
    assert {record.reason for record in read} == {"Lambda.FunctionError: it failed"}


def test_a_failed_conversion_names_its_reason_with_capitals():
    content = json.loads(line(b"x")) | {"ErrorCode": "DataFormatConversion.MalformedData", "ErrorMessage": "why"}
    del content["errorCode"], content["errorMessage"]

    [record] = read_document(json.dumps(content).encode())

    assert record.reason == "DataFormatConversion.MalformedData: why"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\x1f\x8bno", "cannot be decompressed"),
        (gzip.compress(b"x")[:-3], "cannot be decompressed"),
        (line(b"x") + b"not JSON\n", "line 2 is not JSON with"),
        (b'{"rawData": "not base64"}', "line 1 is not JSON with"),
        (b'{"rawData": 5}', "line 1 is not JSON with"),
        (b"[]", "line 1 is not JSON with"),
        (b'{"errorCode": "x"}', "line 1 is not JSON with"),
        (b"[" * 100_000, "line 1 is not JSON with"),
    ],
)
def test_what_firehose_does_not_write_is_refused(body: bytes, said: str):
    with pytest.raises(UnreadableDocumentError, match=said):
        read_document(body)


@given(data=st.binary(), times=st.integers(0, 5))
def test_a_record_tells_how_often_it_was_replayed(data: bytes, times: int):
    record = FailedRecord(data, "")
    before = record.replays
    for _ in range(times):
        record = FailedRecord(record.marked, "")

    assert record.replays == before + times
    assert record.data == data + times * REPLAY_MARK


def test_the_mark_of_a_replay_changes_no_row(converted: Callable[[bytes], dict[str, Any] | None]):
    row = converted(change("a"))

    assert row is not None
    assert converted(FailedRecord(FailedRecord(change("a"), "").marked, "").marked) == row


@settings(max_examples=100, deadline=None)
@given(record=changes())
def test_a_row_that_did_not_fit_the_table_becomes_its_record_again(
    converted: Callable[[bytes], dict[str, Any] | None], record: dict[str, Any]
):
    row = converted(json.dumps(record).encode())
    assert row is not None

    [failed] = read_document(line(json.dumps(row).encode()))

    assert converted(failed.data) == row


def test_a_row_that_never_fits_the_table_tells_how_often_its_record_was_replayed(
    row_of: Callable[[bytes], bytes | None],
):
    data = change("a")
    for replays in range(4):
        row = row_of(data)
        assert row is not None
        [failed] = read_document(line(row))
        assert failed.replays == replays
        data = failed.marked


def test_what_is_no_row_is_left_as_it_is():
    for data in (b"", b"x", b"[]", b"[" * 100_000, b'{"row_version": 1}', change("a")):
        assert change_record_of(data) is None


def test_the_records_of_an_item_share_a_partition_key_and_others_have_their_own():
    first, later, other = (FailedRecord(change(key, event), "") for key, event in (("a", "1"), ("a", "2"), ("b", "3")))
    garbage = [FailedRecord(data, "") for data in (b"", b"x", b"[" * 100_000, b'{"dynamodb": 5}')]

    assert first.partition_key == later.partition_key
    assert len({record.partition_key for record in (first, other, *garbage)}) == 2 + len(garbage)
    assert all(1 <= len(record.partition_key) <= 256 for record in garbage)


def test_a_receipt_is_tags_that_s3_takes_and_comes_back():
    receipt = Receipt("2026-11-27T05:00:00+00:00", "6b0c4d7e-8f4c", records=7, left=2, below=3)

    assert Receipt.of({"other": "tag"} | receipt.tags()) == receipt
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+-=._:/@ ")
    assert allowed.issuperset("".join(receipt.tags().values()))
    assert len(receipt.tags()) < 10


@pytest.mark.parametrize("changed", [{"replay-left": "many"}, {"replay-records": ""}])
def test_a_receipt_that_somebody_changed_is_none(changed: dict[str, str]):
    receipt = Receipt("2026-11-27T05:00:00+00:00", "run", records=7, left=0, below=3)

    assert Receipt.of(receipt.tags() | changed) is None
    assert Receipt.of({}) is None

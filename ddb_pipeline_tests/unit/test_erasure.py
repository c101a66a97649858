"""Taking one item out of an object: all of it, nothing of anybody else's, whatever the keys look like."""

from __future__ import annotations

import base64
import gzip
import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.erasure.keys import Item, for_boto3, key_of, key_of_text, read_key, read_typed_key
from ddb_pipeline.cli.erasure.rows import UnreadableError, take
from ddb_pipeline.declaration import KeyAttribute
from ddb_pipeline_tests import declared

TEXT = declared.pipeline()
NUMBERED = declared.pipeline(KeyAttribute("id", "N"), KeyAttribute("at", "B"))
HOSTILE = ["", " ", '"', "\\", '{"pk":{"S":"42"}}', "42\n", "\u2028", "ß", "😀", "4\x002", "'; DROP", "\r\n", "\x85"]


def of(value: str) -> Item:
    """An item of the table that rows here are of."""
    return Item("people", key_of({"pk": {"S": value}}))


def row(key: dict[str, Any], **more: Any) -> bytes:
    """A line as the converter writes it: the key is JSON text in JSON."""
    text = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(
        {"table_name": "people", "item_key": text, "changed_at_us": 1, "event_name": "MODIFY", **more},
        ensure_ascii=False,
    ).encode()


def failure(content: bytes) -> bytes:
    return json.dumps({"errorCode": "x", "rawData": base64.b64encode(content).decode()}).encode()


# --- keys


@pytest.mark.parametrize("text", ['{"pk": "42"}', '{"pk": {"S": "42"}}', '{"pk":"\\u0034\\u0032"}'])
def test_a_key_is_written_plainly_or_as_dynamodb_json(text):
    assert read_key(text, TEXT) == key_of({"pk": {"S": "42"}})


@pytest.mark.parametrize("number", ["7", "7.0", "0.7E1", '"7"', '{"N": "7.00"}', "700E-2"])
def test_a_number_is_the_same_however_it_is_written(number):
    key = read_key(f'{{"id": {number}, "at": "AA=="}}', NUMBERED)

    assert key == key_of_text('{"at":{"B":"AA=="},"id":{"N":"7"}}')
    sent = for_boto3(key)
    assert (Decimal(sent["id"]["N"]), sent["at"]) == (7, {"B": b"\x00"})


def test_all_digits_of_a_number_count():
    long = "12345678901234567890123456789012345678"
    assert read_key(f'{{"id": {long}, "at": ""}}', NUMBERED) != read_key(f'{{"id": {long[:-1]}7, "at": ""}}', NUMBERED)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pk=42", "is not JSON"),
        ('{"pk": "1", "pk": "2"}', "twice"),
        ("[]", "must hold exactly pk"),
        ('{"id": "1"}', "must hold exactly pk"),
        ('{"pk": "1", "sk": "2"}', "must hold exactly pk"),
        ('{"pk": {"N": "1"}}', "type S"),
        ('{"pk": null}', "type S"),
        ('{"pk": {"S": "a", "N": "1"}}', "type S"),
    ],
)
def test_what_is_no_key_of_the_table_is_refused_with_one_that_is(text, sentence):
    with pytest.raises(UserError, match=sentence) as refused:
        read_key(text, TEXT)
    assert """'{"pk": "42"}'""" in str(refused.value)


@pytest.mark.parametrize("text", ['{"id": "x", "at": ""}', '{"id": "NaN", "at": ""}', '{"id": 1, "at": "?"}'])
def test_numbers_and_bytes_must_be_such(text):
    with pytest.raises(UserError, match="is no value of it"):
        read_key(text, NUMBERED)


@pytest.mark.parametrize("text", ['{"id": {"N": "7.0"}, "at": {"B": "AA=="}}', '{"at":{"B":"AA=="},"id":{"N":7}}'])
def test_a_key_of_a_table_that_is_not_declared_tells_its_types(text):
    assert read_typed_key(text) == read_key('{"id": 7, "at": "AA=="}', NUMBERED)


@pytest.mark.parametrize(
    "text", ['{"pk": "42"}', "{}", "[]", "42", '{"pk": {"BOOL": true}}', '{"a":{"S":""},"b":{"S":""},"c":{"S":""}}']
)
def test_a_key_without_types_is_refused_for_a_table_that_is_not_declared(text):
    with pytest.raises(UserError, match="must tell its types"):
        read_typed_key(text)


# --- lines


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
@pytest.mark.parametrize("value", HOSTILE)
def test_the_rows_of_an_item_go_and_all_others_stay_byte_by_byte(value, pack):
    others = [row({"pk": {"S": other}}, said=value) for other in [*HOSTILE, "42"] if other != value]
    mine = row({"pk": {"S": value}})
    item = of(value)

    taken = take(pack(b"\n".join([mine, *others, mine]) + b"\n"), "rows", item)

    assert (taken.rows, taken.left) == (2, len(others))
    body = gzip.decompress(taken.body) if pack is gzip.compress else taken.body
    assert body == b"\n".join(others) + b"\n"
    assert take(taken.body, "rows", item).rows == 0


@given(
    st.text() | st.text("abc1", min_size=4, max_size=6),
    st.lists(st.text() | st.text("abc1", min_size=4, max_size=6), max_size=5),
)
def test_an_item_is_never_taken_for_another(value: str, others: list[str]):
    lines = [row({"pk": {"S": other}}) for other in others]

    taken = take(b"\n".join([row({"pk": {"S": value}}), *lines]), "rows", of(value))

    assert taken.rows == 1 + others.count(value)
    assert taken.left == len(others) - others.count(value)


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_an_object_of_the_item_alone_is_empty_afterwards(pack):
    taken = take(pack(row({"pk": {"S": "1"}}) + b"\n"), "rows", of("1"))
    assert (taken.rows, taken.left) == (1, 0)
    assert (gzip.decompress(taken.body) if pack is gzip.compress else taken.body) == b""


def test_the_newest_change_is_told():
    lines = [row({"pk": {"S": "1"}}, changed_at_us=at, event_name=name) for at, name in ((5, "REMOVE"), (3, "INSERT"))]
    assert take(b"\n".join(lines), "rows", of("1")).newest == (5, "REMOVE")


def test_lines_that_nobody_can_read_stay_and_are_told_when_they_look_like_the_item():
    item = of("anna@example.org")
    taken = take(b'not JSON\n{"item_key": "?"}\nanna@example.org said\n' + row({"pk": {"S": "1"}}), "rows", item)
    assert (taken.rows, taken.left, taken.unsure) == (0, 4, 1)


def test_what_is_no_lines_at_all_is_not_touched():
    with pytest.raises(UnreadableError):
        take(gzip.compress(b"1" * 100)[:20], "rows", of("1"))


# --- failed records, exports, Parquet


def test_a_failed_record_goes_whether_it_is_a_record_or_a_row():
    item = of("anna")
    mine = [
        failure(json.dumps({"dynamodb": {"Keys": {"pk": {"S": "anna"}}}}).encode()),
        failure(row({"pk": {"S": "anna"}})),
    ]
    others = [
        failure(json.dumps({"dynamodb": {"Keys": {"pk": {"S": "2"}}}}).encode()),
        failure(b"no JSON"),
        failure(b'{"dynamodb": "anna"}'),
        b'{"rawData": 1}',
    ]
    taken = take(b"\n".join([*mine, *others]), "failures", item)
    assert (taken.rows, taken.left) == (2, 4)
    # what holds the very text, but is no record, is for a person to judge
    assert taken.unsure == 1


def test_an_exported_item_goes_by_its_key_attributes():
    key = read_key('{"id": 7, "at": "AA=="}', NUMBERED)
    items = [{"id": {"N": "7.0"}, "at": {"B": "AA=="}, "x": {"S": "1"}}, {"id": {"N": "7"}, "at": {"B": "AQ=="}}]
    taken = take("\n".join(json.dumps({"Item": item}) for item in items).encode(), "export", Item("people", key))
    assert (taken.rows, taken.left) == (1, 1)


@pytest.mark.parametrize("codec", ["snappy", "gzip", "zstd", "none"])
def test_rows_go_from_parquet_and_the_file_stays_what_it_was(codec):
    keys = ['{"pk":{"S":"1"}}', '{"pk":{"S":"2"}}', None, '{"pk":{"S":"1"}}']
    columns = {
        "item_key": pa.array(keys, pa.string()),
        "table_name": ["people", "people", None, None],
        "changed_at_us": pa.array([1, 2, None, 3], pa.int64()),
        "event_name": ["BASELINE"] * 4,
        "state_certain": [True, True, True, False],
    }
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), sink, compression=codec)

    taken = take(sink.getvalue().to_pybytes(), "rows", of("1"))

    assert (taken.rows, taken.left, taken.uncertain, taken.newest) == (2, 2, 1, (3, "BASELINE"))
    file = parquet.ParquetFile(io.BytesIO(taken.body))
    assert file.read()["item_key"].to_pylist() == ['{"pk":{"S":"2"}}', None]
    assert file.schema_arrow.remove_metadata() == pa.table(columns).schema
    assert file.metadata.row_group(0).column(0).compression.lower().replace("uncompressed", "none") == codec

    empty = take(take(taken.body, "rows", of("2")).body, "rows", of("3"))
    assert (empty.rows, empty.left) == (0, 1)


# --- other tables


@pytest.mark.parametrize("kind", ["rows", "failures"])
def test_lines_of_another_table_stay_and_what_names_no_table_is_the_items(kind):
    lines = [row({"pk": {"S": "anna"}}, table_name=table) for table in ("former", "people", None, "", "former")]
    records = [
        json.dumps({**({"tableName": table} if table else {}), "dynamodb": {"Keys": {"pk": {"S": "anna"}}}}).encode()
        for table in ("former", "people", None)
    ]
    if kind == "failures":
        lines = [failure(content) for content in [*lines, *records]]

    taken = take(b"\n".join(lines), kind, of("anna"))

    former = 2 if kind == "rows" else 3
    assert (taken.rows, taken.left, taken.others) == (len(lines) - former, former, {"former": former})
    again = take(taken.body, kind, of("anna"))
    assert (again.rows, again.body, again.others) == (0, None, {"former": former})


@pytest.mark.parametrize(("held", "rows"), [("people", 1), (None, 1), ("former", 0)])
def test_an_exported_item_is_of_the_table_that_was_exported(held, rows):
    taken = take(b'{"Item":{"pk":{"S":"anna"}}}', "export", of("anna"), held)
    assert (taken.rows, taken.others) == (rows, {} if rows else {"former": 1})


def test_rows_of_another_table_stay_in_parquet():
    def parquet_of(**columns: Any) -> bytes:
        sink = pa.BufferOutputStream()
        parquet.write_table(pa.table({"changed_at_us": [1, 2], "event_name": ["BASELINE"] * 2, **columns}), sink)
        return bytes(sink.getvalue().to_pybytes())

    keys = ['{"pk":{"S":"anna"}}'] * 2
    taken = take(parquet_of(item_key=keys, table_name=["former", "people"]), "rows", of("anna"))
    assert (taken.rows, taken.left, taken.others) == (1, 1, {"former": 1})
    assert take(taken.body, "rows", Item("former", of("anna").key)).rows == 1

    with pytest.raises(UnreadableError, match="has no column table_name"):
        take(parquet_of(item_key=keys), "rows", of("anna"))

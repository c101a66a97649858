"""The function `baseline_converter`: an export's file in, rows of a baseline out."""

import base64
import gzip
import hashlib
import importlib
import io
import json
from pathlib import Path

import pytest

from ddb_pipeline.baselines import BASELINE_COLUMNS
from ddb_pipeline_tests.change_records import Change

FOLDER = Path(__file__).parents[2] / "infra_cdk" / "functions" / "change_converter"
ITEM = {"pk": {"S": "é"}, "v": {"N": "1.50"}, "tags": {"SS": ["b", "a"]}, "bytes": {"B": "/w=="}}


@pytest.fixture
def converter(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("BUCKET", "SOURCE_PREFIX", "TARGET_PREFIX"):
        monkeypatch.setenv(name, {"BUCKET": "raw", "SOURCE_PREFIX": "in/", "TARGET_PREFIX": "out/"}[name])
    return importlib.import_module("baseline_converter")


class Objects:
    """S3, as far as the function uses it; parts of an upload are objects only once it is complete."""

    def __init__(self, **contents):
        self.contents = contents
        self.parts = []
        self.aborted = 0

    def get_object(self, **request):
        assert request["Bucket"] == "raw"
        return {"Body": io.BytesIO(self.contents[request["Key"]])}

    def put_object(self, **request):
        self.contents[request["Key"]] = request["Body"]

    def create_multipart_upload(self, **request):
        return {"UploadId": f"upload of {request['Key']}"}

    def upload_part(self, **request):
        assert request["PartNumber"] == len(self.parts) + 1
        self.parts.append(request["Body"])
        return {"ETag": str(len(self.parts))}

    def complete_multipart_upload(self, **request):
        numbers = [part["PartNumber"] for part in request["MultipartUpload"]["Parts"]]
        assert numbers == list(range(1, len(self.parts) + 1))
        self.contents[request["Key"]] = b"".join(self.parts)

    def abort_multipart_upload(self, **request):
        assert request["UploadId"] == f"upload of {request['Key']}"
        self.aborted += 1


def file_of(*items):
    return gzip.compress("".join(json.dumps({"Item": item}) + "\n" for item in items).encode(), mtime=0)


def event(content, count, **changed):
    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    return {
        "baseline_id": "20260921T135320000000Z-3600s-export",
        "source_key": "in/AWSDynamoDB/01-ab/data/abc.json.gz",
        "item_count": count,
        "md5": md5,
        "table_name": "persons",
        "aws_region": "eu-west-1",
        "key_attributes": ["pk"],
        "as_of_us": 1_790_000_000_000_000,
        **changed,
    }


TARGET = "out/baseline_id=20260921T135320000000Z-3600s-export/abc.json.gz"


def call(converter, monkeypatch, content, count, **changed):
    objects = Objects(**{"in/AWSDynamoDB/01-ab/data/abc.json.gz": content})
    monkeypatch.setattr(converter, "_client", lambda: objects)
    return converter.handler(event(content, count, **changed), None), objects


def test_an_item_becomes_a_row_with_the_columns_of_a_baseline(converter, monkeypatch):
    answer, objects = call(converter, monkeypatch, file_of(ITEM), 1)
    assert answer == {"target_key": TARGET, "items": 1}
    (line,) = gzip.decompress(objects.contents[TARGET]).splitlines()
    row = json.loads(line)
    assert list(row) == [column.name for column in BASELINE_COLUMNS]
    image = '{"bytes":{"B":"/w=="},"pk":{"S":"é"},"tags":{"SS":["a","b"]},"v":{"N":"1.50"}}'
    assert {name: value for name, value in row.items() if value is not None} == {
        "row_version": 1,
        "event_name": "BASELINE",
        "table_name": "persons",
        "aws_region": "eu-west-1",
        "changed_at_us": 1_790_000_000_000_000,
        "item_key": '{"pk":{"S":"é"}}',
        "new_image": image,
        "new_hash": hashlib.sha256(image.encode()).hexdigest()[:32],
        "new_item": '{"bytes":"/w==","pk":"é","tags":["a","b"],"v":1.50}',
        "expired_by_ttl": False,
        "state_certain": True,
    }


def test_image_and_hash_are_those_of_a_change(converter, monkeypatch):
    change_record = importlib.import_module("change_record")
    images = {key: value for key, value in ITEM.items() if key != "pk"}
    record = Change({"pk": ITEM["pk"]}, None, images, 1_790_000_000_000_000).record("persons", "r")
    change = change_record.change_row(json.loads(record), {})
    _, objects = call(converter, monkeypatch, file_of(ITEM), 1)
    row = json.loads(gzip.decompress(objects.contents[TARGET]))
    for column in ("item_key", "new_image", "new_hash", "new_item"):
        assert row[column] == change[column]


@pytest.mark.parametrize("content", [gzip.compress(b"", mtime=0), b""])
def test_an_empty_file_is_a_file_without_rows(converter, monkeypatch, content):
    answer, objects = call(converter, monkeypatch, content, 0)
    assert answer["items"] == 0
    assert gzip.decompress(objects.contents[TARGET]) == b""


@pytest.mark.parametrize(
    ("content", "changed", "said"),
    [
        (file_of(ITEM), {"item_count": 2}, "holds 1 items, and the manifest says 2"),
        (file_of(ITEM), {"md5": "AAAA"}, "MD5 is .*, and the manifest says AAAA"),
        (file_of({"other": {"S": "x"}}), {"item_count": 1}, "line 1: a key attribute is missing"),
        (file_of({"pk": {"BOOL": True}}), {"item_count": 1}, "line 1: a key attribute is missing, or not of type"),
        (gzip.compress(b'{"Keys": {}}\n', mtime=0), {"item_count": 1}, "line 1: not an exported item"),
        (gzip.compress(b"{\n", mtime=0), {"item_count": 1}, "line 1: not JSON"),
        (file_of({"pk": {"S": "\ud800"}}), {"item_count": 1}, "half a surrogate pair"),
        (file_of(ITEM)[:-9], {}, "abc.json.gz is no whole gzip file: Compressed file ended"),
        (file_of(ITEM)[:10] + b"\xff" * 40, {}, "abc.json.gz is no whole gzip file: Error -3"),
        (b"<html>", {}, "abc.json.gz is no whole gzip file: Not a gzipped file"),
        (file_of(ITEM), {"source_key": "elsewhere/abc.json.gz"}, "not below in/"),
        (file_of(ITEM), {"baseline_id": "../x"}, "no data file of a baseline"),
    ],
)
def test_what_is_not_the_file_of_the_manifest_leaves_no_row(converter, monkeypatch, content, changed, said):
    objects = Objects(**{"in/AWSDynamoDB/01-ab/data/abc.json.gz": content})
    monkeypatch.setattr(converter, "_client", lambda: objects)
    with pytest.raises(converter.ExportError, match=said):
        converter.handler(event(content, 1, **changed), None)
    assert list(objects.contents) == ["in/AWSDynamoDB/01-ab/data/abc.json.gz"]


def test_a_large_file_goes_in_parts_and_a_broken_one_leaves_none(converter, monkeypatch):
    monkeypatch.setattr(converter, "PART_BYTES", 100)
    items = [{**ITEM, "n": {"N": str(number)}} for number in range(300)]
    content = file_of(*items)
    _, objects = call(converter, monkeypatch, content, 300)
    assert len(objects.parts) > 5
    assert len(gzip.decompress(objects.contents[TARGET]).splitlines()) == 300
    broken = Objects(**{"in/AWSDynamoDB/01-ab/data/abc.json.gz": content})
    monkeypatch.setattr(converter, "_client", lambda: broken)
    with pytest.raises(converter.ExportError):
        converter.handler(event(content, 299), None)
    assert broken.aborted == 1
    assert TARGET not in broken.contents


def test_the_same_file_gives_the_same_bytes(converter, monkeypatch):
    first = call(converter, monkeypatch, file_of(ITEM), 1)[1].contents[TARGET]
    assert call(converter, monkeypatch, file_of(ITEM), 1)[1].contents[TARGET] == first

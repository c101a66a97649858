"""The canary: recognisable, nobody else's, written only where it may be, and told from what lies beside it."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from ddb_pipeline.cli import canary
from ddb_pipeline.cli.canary import MARK, Arrival, Canary, Clients, _tells_of, canary_key, waited_for
from ddb_pipeline.declaration import KeyAttribute, load_declaration
from ddb_pipeline_tests import declared
from ddb_pipeline_tests.conftest import REPOSITORY

TOKEN = "0123456789abcdef" * 2


class FakeDynamoDb:
    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def put_item(self, **request: Any) -> None:
        self.calls.append(("put", request))

    def delete_item(self, **request: Any) -> None:
        self.calls.append(("delete", request))


def test_a_key_of_any_type_is_unique_and_says_what_it_can():
    key = canary_key((KeyAttribute("id", "S"), KeyAttribute("n", "N")), TOKEN)
    assert key["id"] == {"S": f"{MARK}#{TOKEN}"}
    assert len(key["n"]["N"]) == 31
    assert key["n"]["N"].startswith("-")

    (blob,) = canary_key((KeyAttribute("b", "B"),), TOKEN).values()
    assert base64.b64decode(blob["B"]).startswith(MARK.encode())


@pytest.mark.parametrize("name", ["pk", MARK, f"{MARK}_"])
def test_it_never_writes_over_an_item_that_is_none(name):
    pipeline = declared.pipeline(KeyAttribute(name, "S"), time_to_live_attribute="expires_at")
    client = FakeDynamoDb()
    written = Canary(client, "table", pipeline, canary_key(pipeline.key_attributes, TOKEN))

    written.write()
    written.delete()

    (_, put), (_, delete) = client.calls
    assert put["ConditionExpression"] == "attribute_not_exists(#key) OR attribute_exists(#mark)"
    mark = put["ExpressionAttributeNames"]["#mark"]
    assert mark != name
    assert put["Item"][mark] == {"N": "1"}
    # and goes by itself, should nobody delete it
    assert float(put["Item"]["expires_at"]["N"]) > datetime.now(UTC).timestamp()
    assert delete["Key"] == {name: {"S": f"{MARK}#{TOKEN}"}}


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_it_is_found_among_rows_and_among_failed_records(pack):
    key = canary_key((KeyAttribute("id", "S"), KeyAttribute("n", "N")), TOKEN)
    record = base64.b64encode(json.dumps({"dynamodb": {"Keys": key}}).encode()).decode()
    other = json.dumps({"item_key": json.dumps({"id": {"S": "other"}, "n": {"N": "1"}})})
    wrong = ["no JSON", "[1]", "{}", '{"item_key": "1"}', '{"rawData": "!"}', '{"item_key": "{}"}', other]

    assert _tells_of(pack("\n".join([*wrong, json.dumps({"item_key": json.dumps(key)})]).encode()), key)
    assert _tells_of(pack("\n".join([*wrong, json.dumps({"rawData": record})]).encode()), key)
    misfit = base64.b64encode(json.dumps({"item_key": json.dumps(key)}).encode()).decode()
    assert _tells_of(pack("\n".join([*wrong, json.dumps({"rawData": misfit})]).encode()), key)
    assert not _tells_of(pack("\n".join(wrong).encode()), key)


def parquet_of(*keys: str | None) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"item_key": pa.array(keys, pa.string()), "row_version": [1] * len(keys)}), sink)
    return sink.getvalue().to_pybytes()


def test_it_is_found_in_parquet():
    key = canary_key((KeyAttribute("id", "S"),), TOKEN)
    assert _tells_of(parquet_of(None, json.dumps(key)), key)
    assert not _tells_of(parquet_of('{"id":{"S":"other"}}', None), key)


@pytest.mark.parametrize("is_installed", [True, False])
def test_what_cannot_be_opened_is_an_arrival_that_is_not_proved(is_installed, monkeypatch):
    client = FakeDynamoDb()

    def new_objects(*_arguments: Any) -> list[tuple[str, bytes]]:
        (_, put), *_ = client.calls
        own = parquet_of(json.dumps({"pk": put["Item"]["pk"]}))
        return [("other", parquet_of('{"pk":{"S":"other"}}')), ("own", own)]

    monkeypatch.setattr(canary, "_new_objects", new_objects)
    monkeypatch.setattr(canary, "_can_open_parquet", lambda: is_installed)
    stage = load_declaration(REPOSITORY / "pipeline.toml").stages["dev"]

    waiting = waited_for(Clients(client, None), declared.NAMES, declared.pipeline(), stage)
    next(waiting)
    with pytest.raises(StopIteration) as found:
        next(waiting)

    assert found.value.value == (
        Arrival("own", writes=1, is_proved=True) if is_installed else Arrival("other", writes=1, is_proved=False)
    )

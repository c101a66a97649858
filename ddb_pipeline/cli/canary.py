"""The canary: an item that is written to prove that changes reach S3, and is deleted again.

Only in a table that the stack made. A table of the user's own is never written to.
"""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ddb_pipeline.arrivals import HOUR, hour_of, hour_prefix
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.declaration import KeyAttribute, Pipeline, Stage
from ddb_pipeline.dynamodb_json import client_form
from ddb_pipeline.names import PublishedNames

MARK = "ddb_pipeline_canary"
"""Begins the canary's key where a key is text or bytes, and names the attribute that says what it is."""

_PARQUET = b"PAR1"
"""How every Parquet file begins (github.com/apache/parquet-format)."""
_OWN_LIFE = timedelta(hours=1)
_STARTS_SECONDS = 600
"""What a new path may take beside two buffers: Firehose begins to read, the function starts."""
_AGAIN_SECONDS = 60
"""After how long the canary is changed again: Firehose reads a new stream from some moment after it was made on."""

Key = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Clients:
    """The clients that it takes."""

    dynamodb: Any
    s3: Any


def canary_key(attributes: tuple[KeyAttribute, ...], token: str) -> Key:
    """Return a key, in DynamoDB JSON with bytes as base64, that is nobody else's and says what it is.

    Args:
        attributes: The table's key attributes.
        token: Hexadecimal digits that make it unique.
    """
    text = f"{MARK}#{token}"
    # a number cannot say what it is: 30 digits below zero are nobody's, and the attribute beside it says it
    values = {"S": text, "N": str(-int(token[:24], 16) - 10**29), "B": base64.b64encode(text.encode()).decode()}
    return {attribute.name: {attribute.type: values[attribute.type]} for attribute in attributes}


@contextmanager
def canary_in(clients: Clients, names: PublishedNames, pipeline: Pipeline, token: str) -> Iterator[Canary]:
    """Write the canary, and delete it when the block ends, however it ends.

    Args:
        clients: How AWS is called.
        names: What is deployed.
        pipeline: Whose table it is.
        token: Makes the canary unique.
    """
    canary = Canary(clients.dynamodb, names.table, pipeline, canary_key(pipeline.key_attributes, token))
    canary.write()
    try:
        yield canary
    finally:
        canary.delete()


@dataclass(frozen=True)
class Arrival:
    """That a change reached S3.

    Attributes:
        key: Key of the raw object.
        writes: How often the canary was written until then.
        is_proved: Whether the canary was found in the object. False: the object is of Parquet, which nothing here can
            open, and was written after the canary.
    """

    key: str
    writes: int
    is_proved: bool


@dataclass
class Canary:
    """The item.

    Attributes:
        client: boto3's DynamoDB client.
        table: Name of the table.
        pipeline: Whose table it is.
        key: Its key, in DynamoDB JSON.
        written: How often it was written.
    """

    client: Any
    table: str
    pipeline: Pipeline
    key: Key
    written: int = 0

    def write(self) -> None:
        """Write it, or change it; never over an item that is not the canary."""
        self.written += 1
        mark = MARK
        while mark in self.key:
            mark += "_"
        item: dict[str, Any] = {**client_form(self.key), mark: {"N": str(self.written)}}
        expires = self.pipeline.time_to_live_attribute
        if expires is not None and expires not in item:
            # if this process is killed, it goes by itself
            item[expires] = {"N": str(int((datetime.now(UTC) + _OWN_LIFE).timestamp()))}
        self.client.put_item(
            TableName=self.table,
            Item=item,
            ConditionExpression="attribute_not_exists(#key) OR attribute_exists(#mark)",
            ExpressionAttributeNames={"#key": self.pipeline.partition_key.name, "#mark": mark},
        )

    def delete(self) -> None:
        """Delete it."""
        self.client.delete_item(TableName=self.table, Key=client_form(self.key))


def waited_for(
    clients: Clients, names: PublishedNames, pipeline: Pipeline, stage: Stage
) -> Generator[None, None, Arrival]:
    """Write the canary, look for it until a raw object holds it, and delete it.

    A generator, so that one loop can wait for the canaries of many pipelines: it stops when the canary is written, and
    after each look that did not find it. Closing it deletes the canary.

    Args:
        clients: How AWS is called.
        names: What is deployed.
        pipeline: Whose table it is.
        stage: How long Firehose may collect.

    Returns:
        Where it was found.

    Raises:
        UserError: It arrived where records go that could not be converted, or did not arrive in time.
    """
    begun = datetime.now(UTC)
    deadline = time.monotonic() + 2 * stage.buffer_seconds + _STARTS_SECONDS
    seen: set[str] = set()
    with canary_in(clients, names, pipeline, uuid.uuid4().hex) as canary:
        again = time.monotonic() + stage.buffer_seconds + _AGAIN_SECONDS
        while time.monotonic() < deadline:
            yield
            for key, body in _new_objects(clients.s3, names, begun, seen):
                is_closed = body.startswith(_PARQUET) and not _can_open_parquet()
                if not is_closed and not _tells_of(body, canary.key):
                    continue
                if key.startswith(names.errors_prefix):
                    raise UserError(
                        f"the canary could not be converted: s3://{names.raw_bucket}/{key} holds it and says why: the "
                        "log group of the function change_converter tells more"
                    )
                return Arrival(key, canary.written, is_proved=not is_closed)
            if time.monotonic() > again:
                canary.write()
                again = time.monotonic() + stage.buffer_seconds + _AGAIN_SECONDS
    raise UserError(
        f"a change of table {names.table} did not reach s3://{names.raw_bucket}/{names.changes_prefix} within "
        f"{2 * stage.buffer_seconds + _STARTS_SECONDS} seconds: look at the delivery stream {names.delivery_stream} "
        "(metrics, and its log group) and at the table's Kinesis destination"
    )


def _new_objects(s3: Any, names: PublishedNames, since: datetime, seen: set[str]) -> Iterator[tuple[str, bytes]]:
    """Objects that were written since a moment and not looked at yet."""
    first = hour_of(since)
    hours = [first + number * HOUR for number in range(-1, int((datetime.now(UTC) - first) / HOUR) + 1)]
    # below errors/ there is a folder for each kind of failure (developer guide, "Understand error output prefixes")
    kinds = s3.list_objects_v2(Bucket=names.raw_bucket, Prefix=names.errors_prefix, Delimiter="/")
    above = [names.changes_prefix, *(kind["Prefix"] for kind in kinds.get("CommonPrefixes", []))]
    for prefix in (folder + hour_prefix(hour) for folder in above for hour in hours):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=names.raw_bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                # S3 writes whole seconds
                if found["Key"] in seen or found["LastModified"] < since.replace(microsecond=0):
                    continue
                seen.add(found["Key"])
                yield found["Key"], s3.get_object(Bucket=names.raw_bucket, Key=found["Key"])["Body"].read()


def _tells_of(body: bytes, key: Key) -> bool:
    """Whether an object holds a row of the item, or a record of it that could not be converted."""
    if body.startswith(_PARQUET):
        return any(
            _key_of_line(json.dumps({"item_key": text}).encode()) == _comparable(key) for text in _parquet_keys(body)
        )
    with suppress(gzip.BadGzipFile):  # not every stage compresses
        body = gzip.decompress(body)
    return any(_key_of_line(line) == _comparable(key) for line in body.splitlines())


def _can_open_parquet() -> bool:
    """Whether pyarrow is installed, which is large, and which a deployment needs for nothing else."""
    return importlib.util.find_spec("pyarrow") is not None


def _parquet_keys(body: bytes) -> list[str | None]:
    from pyarrow import BufferReader, parquet

    keys: list[str | None] = parquet.read_table(BufferReader(body), columns=["item_key"])["item_key"].to_pylist()
    return keys


def _key_of_line(line: bytes) -> Any:
    try:
        row = json.loads(line)
        if "rawData" in row:
            # what could not be converted is a record; what did not fit Parquet had become a row before
            row = json.loads(base64.b64decode(row["rawData"]))
        text = row.get("item_key")
        return _comparable(row["dynamodb"]["Keys"] if text is None else json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # a record of somebody else's that is none


def _comparable(key: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, Any]]:
    found = {}
    for name, value in key.items():
        ((tag, content),) = value.items()
        found[name] = (tag, Decimal(content) if tag == "N" else content)
    return found

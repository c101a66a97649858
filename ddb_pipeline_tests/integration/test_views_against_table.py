"""The views against the table itself: whatever is written through DynamoDB's API, by many writers at once.

A scan of the table is the oracle, as it is for a user: no model of the rule, no hand-made records.
"""

from __future__ import annotations

import calendar
import json
import random
import threading
import time
import uuid
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.table_scan import key_text, scan_items
from ddb_pipeline.local_aws import change_stream, delivery
from ddb_pipeline_tests.change_records import Change, put_on_stream
from ddb_pipeline_tests.deployed import Deployed
from infra_cdk.components.analytics import SAVED_QUERIES

WRITERS = 8
WRITES_OF_EACH = 60
ATTRIBUTES = ("text", "number", "set", "map", "list", "a.b", 'q"uote', "ü", "Number", "S")
EXPECTED_REFUSALS = {"ConditionalCheckFailedException", "TransactionCanceledException", "ValidationException"}


class Writer:
    """Writes whatever DynamoDB's API offers to a few keys that all writers share."""

    def __init__(self, endpoint: str, table: str, mark: str, seed: int) -> None:
        self._client = local_stack.client("dynamodb", endpoint)
        self._table = table
        self._mark = mark
        self._chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.surprises: list[str] = []

    def write(self) -> None:
        for _ in range(WRITES_OF_EACH):
            kind = self._chance.choice(["put", "put", "update", "update", "update", "delete", "batch", "transaction"])
            try:
                getattr(self, f"_{kind}")()
                self.done[kind] += 1
            except ClientError as error:
                if error.response["Error"]["Code"] not in EXPECTED_REFUSALS:
                    self.surprises.append(str(error))

    def _put(self) -> None:
        self._client.put_item(TableName=self._table, Item=self._item())

    def _update(self) -> None:
        self._client.update_item(TableName=self._table, **self._change())

    def _delete(self) -> None:
        self._client.delete_item(TableName=self._table, Key=self._key())

    def _batch(self) -> None:
        keys = {key["pk"]["S"]: key for key in (self._key(), self._key(), self._key())}
        requests: list[dict[str, Any]] = [
            {"DeleteRequest": {"Key": key}}
            if self._chance.random() < 0.5
            else {"PutRequest": {"Item": {**self._item(), **key}}}
            for key in keys.values()
        ]
        self._client.batch_write_item(RequestItems={self._table: requests})

    def _transaction(self) -> None:
        there = {"ConditionExpression": "attribute_exists(pk)"}
        operations: list[dict[str, Any]] = [
            {"Put": {"TableName": self._table, "Item": self._item()}},
            {"Update": {"TableName": self._table, **self._change()}},
            {"Delete": {"TableName": self._table, "Key": self._key(), **there}},
        ]
        self._client.transact_write_items(TransactItems=self._chance.sample(operations, 2))

    def _key(self) -> dict[str, Any]:
        return {"pk": {"S": f"{self._mark}#{self._chance.randrange(6)}"}}

    def _item(self) -> dict[str, Any]:
        names = self._chance.sample(ATTRIBUTES, self._chance.randint(0, 4))
        expires = {"expires_at": {"N": "1700000000"}} if self._chance.random() < 0.1 else {}
        return {**self._key(), **expires, **{name: self._value() for name in names}}

    def _change(self) -> dict[str, Any]:
        form, value = self._chance.choice(
            [
                ("SET #a = :v", self._value()),
                ("SET #a = if_not_exists(#a, :v)", self._value()),
                ("SET #a = list_append(#a, :v)", {"L": [self._value()]}),
                ("ADD #a :v", {"N": "-1.50"}),
                ("ADD #a :v", {"SS": ["b", "z"]}),
                ("DELETE #a :v", {"SS": ["a", "b", "é"]}),
                ("REMOVE #a", None),
            ]
        )
        values = {} if value is None else {"ExpressionAttributeValues": {":v": value}}
        names = {"#a": self._chance.choice(ATTRIBUTES)}
        return {"Key": self._key(), "UpdateExpression": form, "ExpressionAttributeNames": names, **values}

    def _value(self, depth: int = 0) -> dict[str, Any]:
        chance = self._chance
        made = [
            {"S": chance.choice(["", "A", "é", "e\u0301", '"\\\n\0', "😀"])},
            {"N": chance.choice(["1", "1.0", "-0", "1E3", "9" * 38, "-1E-130", "9.9E+125"])},
            {"B": chance.randbytes(chance.randrange(3))},
            {"BOOL": chance.random() < 0.5},
            {"NULL": True},
            {"SS": chance.sample(["", "a", "b", "é"], 2)},
            {"NS": chance.sample(["10", "9", "1.50", "-1"], 2)},
            {"BS": chance.sample([b"", b"\xff", b"a"], 2)},
        ]
        if depth < 3:
            made += [
                {"M": {name: self._value(depth + 1) for name in chance.sample(["a", "A", "a.b", "$"], 2)}},
                {"L": [self._value(depth + 1) for _ in range(chance.randrange(3))]},
                {"M": {}},
            ]
        return chance.choice(made)


def view_and_table(deployed: Deployed, mark: str) -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
    """The items of one mark as the view has them, as a scan finds them, and the view's rows."""
    assert delivery.wait_until_delivered(60)
    deployed.crawl("persons")
    deployed.make_views("persons")
    rows = deployed.ask(
        "persons", f"SELECT item_key, image, pk, item, state_certain FROM latest_item_state WHERE pk LIKE '{mark}#%'"
    )
    table = scan_items(deployed.client("dynamodb"), deployed.names["persons"].table)
    own = {key: item for key, item in table.items() if item["pk"]["S"].startswith(f"{mark}#")}
    return {key_text(json.loads(row[0])): json.loads(row[1]) for row in rows}, own, rows


def test_the_view_is_the_table_after_any_writes_by_many_writers(deployed):
    names = deployed.names["persons"]
    mark, seed = f"writers{uuid.uuid4().hex}", random.SystemRandom().randrange(10**9)
    writers = [Writer(deployed.endpoint, names.table, mark, seed + number) for number in range(WRITERS)]
    threads = [threading.Thread(target=writer.write) for writer in writers]
    for thread in threads:
        thread.start()
    # a crawl and queries meanwhile must not lose anything
    while any(thread.is_alive() for thread in threads):
        deployed.crawl("persons")
        time.sleep(0.2)
    assert [surprise for writer in writers for surprise in writer.surprises] == []
    assert set().union(*(writer.done for writer in writers)) == {"put", "update", "delete", "batch", "transaction"}

    view, table, rows = view_and_table(deployed, mark)

    assert (view, len(rows)) == (table, len(table)), f"seed {seed}"
    assert all(certain for *_, certain in rows)
    assert all(json.loads(item)["pk"] == pk for _, _, pk, item, _ in rows)

    # what time to live deletes afterwards is gone from both, and counted as such
    expired = {key for key, item in table.items() if "expires_at" in item}
    change_stream.expire_items()
    view, left, _ = view_and_table(deployed, mark)
    assert view == left
    assert set(table) - set(left) == expired


def saved_query(deployed: Deployed, name: str, *parameters: str) -> list[tuple[Any, ...]]:
    return deployed.ask("persons", (SAVED_QUERIES / f"{name}.sql").read_text(encoding="utf-8"), *parameters)


DELETED = {"pk": {"S": f"deleted{uuid.uuid4().hex}"}}
DELETED_KEY = json.dumps(DELETED, separators=(",", ":"))


@pytest.fixture(scope="module")
def loaded(deployed: Deployed) -> Deployed:
    """Persons of the item loader, one undecided item, one that was deleted, and views over all of them."""
    names, dynamodb = deployed.names["persons"], deployed.client("dynamodb")
    event = json.dumps({"batchSize": 70, "seed": 5})
    assert "FunctionError" not in deployed.client("lambda").invoke(FunctionName=names.item_loader, Payload=event)
    dynamodb.put_item(TableName=names.table, Item={**DELETED, "colour": {"S": "red"}})
    dynamodb.put_item(TableName=names.table, Item={**DELETED, "colour": {"S": "blue"}, "size": {"N": "15"}})
    dynamodb.delete_item(TableName=names.table, Key=DELETED)
    key, at = {"pk": {"S": f"undecided{uuid.uuid4().hex}"}}, 1_767_225_600_000_000
    images: list[dict[str, Any]] = [{"v": {"S": "A"}}, {"v": {"S": "B"}}]
    steps = [Change(key, images[0], images[1], at), Change(key, images[1], images[0], at)]
    records = [step.record(names.table, names.region) for step in steps]
    put_on_stream(deployed.client("kinesis"), names.change_stream, records)
    assert delivery.wait_until_delivered(60)
    deployed.crawl("persons")
    deployed.make_views("persons")
    return deployed


def test_persons_by_area_and_type_counts_the_persons_in_the_table(loaded):
    expected: Counter[tuple[str | None, str | None]] = Counter()
    for (item,) in loaded.ask("persons", "SELECT item FROM latest_item_state"):
        person = json.loads(item).get("person") or {}
        job = person.get("job") or {}
        expected[job.get("area"), job.get("type")] += 1
    answer = saved_query(loaded, "persons_by_area_and_type")

    assert {(area, job_type): persons for area, job_type, persons in answer} == expected
    assert sum(persons for area, _, persons in answer if area) >= 50
    # most first, then by name, those without a job last among their equals
    assert answer == sorted(answer, key=lambda row: (-row[2], row[0] is None, row[0] or "", row[1] or ""))


def test_changes_per_hour_counts_each_change_once(loaded):
    expected: Counter[tuple[int, str]] = Counter()
    changes = loaded.ask(
        "persons", "SELECT DISTINCT item_key, event_id, event_name, expired_by_ttl, changed_at_us FROM changes"
    )
    kinds = {("INSERT", False): "inserted", ("MODIFY", False): "modified", ("REMOVE", False): "deleted"}
    for _, _, name, expired, at_us in changes:
        expected[at_us // 3_600_000_000, kinds.get((name, expired), "expired")] += 1
    answer = saved_query(loaded, "changes_per_hour")

    assert [row[0] for row in answer] == sorted((row[0] for row in answer), reverse=True)
    found = {
        (calendar.timegm(hour.timetuple()) // 3600, kind): count
        for hour, *counts in answer
        for kind, count in zip(("inserted", "modified", "deleted", "expired"), counts, strict=True)
        if count
    }
    assert found == expected


def test_recently_changed_items_are_the_newest_fifty(loaded):
    answer = saved_query(loaded, "recently_changed_items")
    newest = loaded.ask("persons", "SELECT changed_at_us, event_id FROM latest_item_state")
    times = {event_id: at_us for at_us, event_id in newest}
    shown = [times[event_id] for _, event_id, _ in answer]

    assert len(answer) == 50
    assert shown == sorted(times.values(), reverse=True)[:50]


def test_undecided_items_are_those_that_the_view_marks(loaded):
    answer = saved_query(loaded, "undecided_items")
    marked = loaded.ask("persons", "SELECT event_id FROM latest_item_state WHERE state_certain = false")

    assert Counter(event_id for _, event_id, _, _ in answer) == Counter(event_id for (event_id,) in marked)
    assert any("undecided" in image for *_, image in answer)


def test_history_of_an_item_is_its_life(loaded):
    answer = saved_query(loaded, "history_of_an_item", f"'{DELETED_KEY}'")
    red, blue = ({**DELETED, "colour": {"S": colour}} for colour in ("red", "blue"))
    blue["size"] = {"N": "15"}

    assert [(name, is_current, expired) for _, name, _, _, is_current, _, expired, *_ in answer] == [
        ("INSERT", False, False),
        ("MODIFY", False, False),
        ("REMOVE", False, False),
    ]
    images = [tuple(image and json.loads(image) for image in row[7:9]) for row in answer]
    assert images == [(None, red), (red, blue), (blue, None)]
    # each image is valid until the next change
    assert [valid_to for _, _, _, valid_to, *_ in answer] == [answer[1][0], answer[2][0], None]


def test_recently_deleted_items_are_the_newest_and_not_by_time_to_live(loaded):
    answer = saved_query(loaded, "recently_deleted_items")
    all_times = loaded.ask("persons", "SELECT deleted_at FROM deleted_items WHERE deleted_at IS NOT NULL")

    assert [row[0] for row in answer] == sorted((at for (at,) in all_times), reverse=True)[:50]
    own = [(expired, json.loads(item)) for _, expired, _, item in answer if DELETED["pk"]["S"] in item]
    assert own == [(False, {"pk": DELETED["pk"]["S"], "colour": "blue", "size": 15})]


def test_changes_of_an_attribute_are_its_audit_trail(loaded):
    answer = saved_query(loaded, "changes_of_an_attribute", "'colour'")
    own = [(name, old, new) for _, key, name, _, _, old, new, _ in answer if key == DELETED_KEY]

    assert own == [("REMOVE", '"blue"', None), ("MODIFY", '"red"', '"blue"'), ("INSERT", None, '"red"')]
    sizes = [row[5:7] for row in saved_query(loaded, "changes_of_an_attribute", "'size'") if row[1] == DELETED_KEY]
    assert sizes == [("15", None), (None, "15")]


def test_open_problems_name_the_undecided_item(loaded):
    answer = saved_query(loaded, "open_problems")
    (found,) = [row for row in answer if row[0] == "undecided" and "undecided" in (row[1] or "")]

    assert found[3] == 2
    assert {row[1] for row in answer if row[1] is not None} <= {
        key for (key,) in loaded.ask("persons", "SELECT item_key FROM changes")
    }

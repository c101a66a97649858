"""Faults of change streams, switched at run time: what arrives on Kinesis is what the settings say."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections import Counter

import pytest

from ddb_pipeline.local_aws import change_stream
from ddb_pipeline.local_aws.change_stream import StreamFaults
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.streamed_table import Table, make_table


@pytest.fixture
def table(deployed: Deployed):
    """One item's changes are all in one shard, so their order of arrival can be seen."""
    table = make_table(deployed)
    yield table
    change_stream.set_stream_faults(StreamFaults(), table.name)


def write(table: Table, count: int) -> None:
    for number in range(count):
        table.put(pk={"S": "a"}, n={"N": str(number)})


def numbers(table: Table) -> list[int]:
    return [int(change["dynamodb"]["NewImage"]["n"]["N"]) for change in table.new_changes()]


def test_repeats_are_the_same_record_again(table):
    change_stream.set_stream_faults(StreamFaults(repeats=1, window=2), table.name)
    write(table, 10)
    change_stream.set_stream_faults(StreamFaults(), table.name)

    records = [record["Data"] for record in table.new_records()]
    assert sorted(Counter(records).values()) == [2] * 10
    assert len({json.loads(record)["eventID"] for record in records}) == 10


def test_later_records_overtake_within_the_window_and_none_is_lost(table):
    change_stream.set_stream_faults(StreamFaults(reorders=0.5, window=3, seed=5), table.name)
    write(table, 40)
    change_stream.set_stream_faults(StreamFaults(), table.name)

    found = numbers(table)
    assert found != sorted(found)
    assert sorted(found) == list(range(40))
    assert all(number - before <= 3 for at, before in enumerate(found) for number in found[:at])


def test_what_waits_to_be_overtaken_arrives_when_the_stream_is_quiet(table):
    change_stream.set_stream_faults(StreamFaults(reorders=1, repeats=1, window=1000), table.name)
    write(table, 3)

    found = []
    deadline = time.monotonic() + 10
    while len(found) < 6 and time.monotonic() < deadline:
        found += numbers(table)
        time.sleep(0.05)
    assert sorted(found) == [0, 0, 1, 1, 2, 2]


def test_late_records_arrive_when_their_time_has_come_and_at_once_when_the_faults_change(table):
    change_stream.set_stream_faults(StreamFaults(late=1, late_seconds=2), table.name)
    begun = time.monotonic()
    write(table, 2)
    assert numbers(table) == []
    found = []
    while len(found) < 2 and time.monotonic() < begun + 10:
        found += numbers(table)
        time.sleep(0.05)
    assert found == [0, 1]
    assert time.monotonic() - begun >= 2

    change_stream.set_stream_faults(StreamFaults(late=1, late_seconds=3600), table.name)
    write(table, 2)
    assert numbers(table) == []
    change_stream.set_stream_faults(StreamFaults(), table.name)
    assert numbers(table) == [0, 1]


def test_times_are_as_coarse_as_asked_for(table):
    change_stream.set_stream_faults(StreamFaults(coarse_times=1, unit="second"), table.name)
    write(table, 5)

    times = [change["dynamodb"]["ApproximateCreationDateTime"] for change in table.new_changes()]
    assert all(time % 1_000_000 == 0 for time in times)
    assert times == sorted(times)


def test_losses_are_counted(table):
    change_stream.set_stream_faults(StreamFaults(losses=0.5, seed=1), table.name)
    write(table, 40)

    found = numbers(table)
    lost = change_stream.stream_faults()["counts"][table.name]["lost"]
    assert 0 < lost < 40
    assert len(found) == 40 - lost
    assert found == sorted(found)


def test_another_stream_has_no_faults(table, deployed):
    other = make_table(deployed)
    change_stream.set_stream_faults(StreamFaults(losses=1), table.name)
    write(table, 3)
    write(other, 3)

    assert numbers(table) == []
    assert numbers(other) == [0, 1, 2]


def ask(deployed, body=None):
    request = urllib.request.Request(
        f"{deployed.endpoint}/_local_aws/stream-faults", data=None if body is None else json.dumps(body).encode()
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_faults_are_switched_by_request(table, deployed):
    status, answer = ask(deployed, {"stream": table.name, "losses": 1, "seed": 4})
    assert status == 200
    assert answer["streams"][table.name] == StreamFaults(losses=1, seed=4).settings()
    write(table, 2)
    assert ask(deployed)[1]["counts"][table.name] == {
        "repeated": 0,
        "overtaken": 0,
        "late": 0,
        "lost": 2,
        "coarse": 0,
    }
    assert ask(deployed, {"stream": table.name})[0] == 200
    table.put(pk={"S": "a"}, n={"N": "7"})

    assert numbers(table) == [7]


@pytest.mark.parametrize("body", [{"losses": 2}, {"lost": 1}, [1]])
def test_wrong_settings_are_refused(deployed, body):
    status, answer = ask(deployed, body)

    assert status == 400
    assert "error" in answer
    assert ask(deployed)[1]["everywhere"] == StreamFaults().settings()

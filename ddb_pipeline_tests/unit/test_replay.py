"""A replay puts each record on the stream once, whatever breaks in between, and never the same record for ever."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
from dagster import DagsterInstance
from hypothesis import given, settings
from hypothesis import strategies as st

from ddb_pipeline.arrivals import longest_delivery
from ddb_pipeline.assets.failed_deliveries import failure_events, known_hours
from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.errors import AwsError
from ddb_pipeline.failed_deliveries.documents import REPLAY_MARK
from ddb_pipeline.failed_deliveries.looking import FailedHour, Known, Look, Position, look
from ddb_pipeline.failed_deliveries.receipts import Receipt
from ddb_pipeline.failed_deliveries.replay import Replay, Replayed
from ddb_pipeline.resources.change_stream import (
    BYTES_AT_ONCE,
    LONGEST_RECORD,
    RECORDS_AT_ONCE,
    ChangeStream,
    StreamRecord,
    batches,
)
from ddb_pipeline.resources.failed_deliveries import ErrorObject, FailedDeliveries
from ddb_pipeline.resources.waiting import Waiting

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def document(*records: bytes) -> bytes:
    return b"".join(
        json.dumps({"errorCode": "code", "errorMessage": "why", "rawData": base64.b64encode(data).decode()}).encode()
        + b"\n"
        for data in records
    )


class Errors:
    """Objects below `errors/`, in memory; `read` counts the receipts that were asked for."""

    def __init__(self) -> None:
        self.contents: dict[ErrorObject, bytes] = {}
        self.receipts: dict[str, Receipt] = {}
        self.read = 0
        self.firsts: list[datetime | None] = []

    def add(self, body: bytes, *, hours_ago: int = 0, error_type: str = "processing-failed") -> str:
        moment = NOW - hours_ago * HOUR
        key = f"errors/{error_type}/{len(self.contents)}"
        one = ErrorObject(key, error_type, moment.replace(minute=0), len(body), moment)
        self.contents[one] = body
        return key

    def objects(self, first: datetime | None = None) -> Iterator[ErrorObject]:
        self.firsts.append(first)
        ordered = sorted(self.contents, key=lambda one: one.hour)
        yield from (one for one in ordered if first is None or one.hour >= first)

    def uri(self, key: str) -> str:
        return f"s3://bucket/{key}"

    def body(self, key: str) -> bytes | None:
        return next((body for one, body in self.contents.items() if one.key == key), None)

    def receipt(self, key: str) -> Receipt | None:
        self.read += 1
        return self.receipts.get(key)

    def write_receipt(self, key: str, receipt: Receipt) -> None:
        self.receipts[key] = receipt


class Stream:
    """A Kinesis stream that answers each call with what it is told to refuse."""

    def __init__(self, refusals: Iterable[Mapping[int, str]] = ()) -> None:
        self.taken: list[bytes] = []
        self._refusals = iter(refusals)

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert StreamName == "stream"
        refused = next(self._refusals, {})
        self.taken += [record["Data"] for number, record in enumerate(Records) if number not in refused]
        return {
            "FailedRecordCount": len(refused),
            "Records": [{"ErrorCode": refused[n]} if n in refused else {"ShardId": "s"} for n in range(len(Records))],
        }


def replay(errors: Errors, stream: Stream, *, most_replays: int = 3, most_objects: int = 100) -> Replayed:
    replaying = Replay(
        cast("FailedDeliveries", errors),
        ChangeStream(stream, "stream"),
        run_id="run",
        most_replays=most_replays,
        most_objects=most_objects,
        note=lambda _line: None,
    )
    return replaying.run(errors.objects())


def seen(errors: Errors, known: Mapping[datetime, Known], position: Position | None = None, **bounds: Any) -> Look:
    bounds = {"longest_delivery": longest_delivery(168)} | bounds
    return look(cast("FailedDeliveries", errors), known, position=position, **bounds)


def test_records_go_to_the_stream_with_a_mark_and_their_object_gets_a_receipt():
    errors, stream = Errors(), Stream()
    key = errors.add(document(b"a", b"b"))

    done = replay(errors, stream)

    assert stream.taken == [b"a" + REPLAY_MARK, b"b" + REPLAY_MARK]
    receipt = errors.receipts[key]
    assert (receipt.run_id, receipt.records, receipt.left) == ("run", 2, 0)
    assert (done.objects, done.records, done.stayed) == ([key], 2, {})


def test_a_second_replay_does_nothing():
    errors, stream = Errors(), Stream()
    errors.add(document(b"a"))
    replay(errors, stream)

    done = replay(errors, stream)

    assert len(stream.taken) == 1
    assert (done.objects, done.settled) == ([], 1)


def test_a_record_that_fails_again_is_replayed_a_few_times_and_then_stays_with_its_reason():
    errors, stream, data = Errors(), Stream(), b"never"
    for attempt in range(5):
        errors.add(document(data))
        done = replay(errors, stream)
        data = stream.taken[-1]
        assert len(stream.taken) == min(attempt + 1, 3)

    # each time, also of an object that no replay looks into any more
    assert list(done.stayed.values()) == ["1 x failed after 3 replays (code: why)"] * 2
    assert replay(errors, stream, most_replays=4).records == 2
    assert len(stream.taken) == 5


def test_of_a_mixed_object_only_what_was_left_is_put_again():
    errors, stream = Errors(), Stream()
    key = errors.add(document(b"new", b"old" + 3 * REPLAY_MARK))

    first = replay(errors, stream)
    assert stream.taken == [b"new" + REPLAY_MARK]
    assert "1 x failed after 3 replays" in first.stayed[key]

    replay(errors, stream, most_replays=4)
    assert stream.taken[1:] == [b"old" + 4 * REPLAY_MARK]
    assert (errors.receipts[key].records, errors.receipts[key].left) == (2, 0)


def test_a_run_that_dies_before_the_receipt_repeats_the_object_and_loses_nothing(monkeypatch: pytest.MonkeyPatch):
    errors, stream = Errors(), Stream()
    errors.add(document(b"a"), hours_ago=1)
    errors.add(document(b"b"))
    with monkeypatch.context() as patch:
        patch.setattr(errors, "write_receipt", lambda _key, _receipt: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            replay(errors, stream)

    replay(errors, stream)

    assert [data.strip() for data in stream.taken] == [b"a", b"a", b"b"]


def test_what_is_no_failed_record_is_named_and_left():
    errors, stream = Errors(), Stream()
    keys = [
        errors.add(b"something else"),
        errors.add(document(b"a"), error_type="http-endpoint-failed"),
        errors.add(document(b"x" * LONGEST_RECORD)),
    ]

    done = replay(errors, stream)

    assert stream.taken == []
    assert "line 1 is not JSON" in done.stayed[keys[0]]
    assert "errors of type http-endpoint-failed are not known" in done.stayed[keys[1]]
    assert "longer than a record of the stream" in done.stayed[keys[2]]
    assert errors.receipts[keys[2]].left == 1


def test_the_oldest_objects_go_first_and_the_rest_waits():
    errors, stream = Errors(), Stream()
    for hours_ago in (0, 2, 1):
        errors.add(document(str(hours_ago).encode()), hours_ago=hours_ago)

    done = replay(errors, stream, most_objects=2)

    assert [data.strip() for data in stream.taken] == [b"2", b"1"]
    assert done.waiting == 1


def test_records_that_the_stream_did_not_take_are_put_again_until_the_deadline():
    records = [StreamRecord(data, "key") for data in (b"a", b"b", b"c")]
    throttled = "ProvisionedThroughputExceededException"
    patient = Waiting(10, clock=lambda: 0.0, sleep=lambda _seconds: None)
    stream = Stream([{0: throttled, 2: throttled}, {1: "InternalFailure"}])
    assert ChangeStream(stream, "stream").put(records, patient) == 3
    assert stream.taken == [b"b", b"a", b"c"]

    times = iter(range(0, 1000, 4))
    impatient = Waiting(10, clock=lambda: float(next(times)), sleep=lambda _seconds: None)
    with pytest.raises(AwsError, match=rf"did not take 1 records within 10 s \({throttled}\)"):
        ChangeStream(Stream([{0: throttled}] * 100), "stream").put(records[:1], impatient)


@given(sizes=st.lists(st.sampled_from([0, 1, 1000, LONGEST_RECORD - 1, LONGEST_RECORD]), max_size=1200))
def test_a_request_holds_what_kinesis_takes_and_order_is_kept(sizes: list[int]):
    data = {size: bytes(size) for size in set(sizes)}
    records = [StreamRecord(data[size], "") for size in sizes]

    cut = list(batches(records))

    assert [record for batch in cut for record in batch] == records
    for batch in cut:
        assert 1 <= len(batch) <= RECORDS_AT_ONCE
        assert sum(record.size for record in batch) <= BYTES_AT_ONCE


# Which objects are open


def remembered(hours: Iterable[FailedHour]) -> dict[datetime, Known]:
    return {found.hour: found.known for found in hours}


def test_settled_hours_cost_no_receipts_until_they_change():
    errors = Errors()
    key = errors.add(document(b"a"))
    first = seen(errors, {})
    assert [one.found.key for one in first.open] == [key]
    assert errors.firsts == [None], "nothing is remembered, so all is listed"

    replay(errors, Stream())
    after = seen(errors, remembered(first.hours))
    assert after.open == ()
    errors.read = 0
    known = remembered(after.hours)
    assert seen(errors, known).hours == ()
    assert errors.read == 0

    errors.add(document(b"b"))
    assert len(seen(errors, known).open) == 1


def test_an_open_hour_is_looked_at_however_old_it_is():
    errors = Errors()
    errors.add(document(b"a"), hours_ago=24 * 60)
    known = remembered(seen(errors, {}).hours)
    errors.add(document(b"b"))

    assert len(seen(errors, known).open) == 2


@pytest.mark.parametrize("retention_hours", [24, 168, 8760])
def test_what_failed_as_late_as_firehose_may_deliver_it_is_found(retention_hours: int):
    errors, longest = Errors(), longest_delivery(retention_hours)
    errors.add(document(b"a"))
    replay(errors, Stream())
    known = remembered(seen(errors, {}).hours)
    # it arrived that long ago, and its object is named after that
    late = errors.add(document(b"b"), hours_ago=longest // HOUR)

    for looked_at in (None, NOW):
        (found,) = seen(errors, known, looked_at=looked_at, longest_delivery=longest).open
        assert found.found.key == late
    assert errors.firsts[-1], "not everything is listed"


def test_an_hour_whose_objects_were_taken_away_is_open_no_more():
    errors = Errors()
    errors.add(document(b"a"))
    known = remembered(seen(errors, {}).hours)
    errors.contents.clear()

    [found] = seen(errors, known).hours

    assert (found.objects, found.open) == ((), ())
    assert seen(errors, remembered([found])).hours == ()


def test_a_look_reads_a_bounded_number_of_receipts_and_the_next_one_goes_on_and_comes_round():
    errors = Errors()
    keys = [errors.add(document(b"x"), hours_ago=hours_ago) for hours_ago in reversed(range(7))]
    known: dict[datetime, Known] = {}
    position, met = None, []
    for read in (3, 3, 1, 3):
        errors.read = 0
        found = seen(errors, known, position, most_receipts=3)
        assert (errors.read, len(found.open)) == (read, read)
        met += [one.found.key for one in found.open]
        known |= remembered(found.hours)
        position = found.position

    assert met == [*keys, *keys[:3]]


def test_an_hour_of_more_objects_than_a_look_reads_is_read_by_several():
    errors = Errors()
    for number in range(10):
        errors.add(document(b"x"), hours_ago=2)
        if number != 4:
            errors.receipts[f"errors/processing-failed/{number}"] = Receipt("", "", 1, 0, 3)
    later = errors.add(document(b"x"))
    found = seen(errors, {}, most_receipts=3)
    looks = [found]
    while found.position:
        found = seen(errors, {}, found.position, most_receipts=3)
        looks.append(found)

    assert [[one.found.key for one in found.open] for found in looks] == [
        [],
        ["errors/processing-failed/4"],
        [],
        [later],
    ]
    assert [hour.known.open_objects for found in looks for hour in found.hours] == [1, 1]
    assert [len(found.unread) for found in looks] == [2, 2, 2, 0]


def test_a_listing_that_comes_less_far_than_the_one_before_goes_on_with_the_next_hour():
    """A tick lists as far as its time goes: to begin the hour anew each time would pass over all after it."""
    errors = Errors()
    for _ in range(9):
        errors.add(document(b"x"))
    stopped = seen(errors, {}, most_listed=6, most_receipts=5).position
    assert stopped

    assert seen(errors, {}, stopped, most_listed=3).position == Position(stopped.hour + HOUR, "", "", 0)


def test_an_hour_that_changed_before_the_position_is_begun_anew_and_one_that_grew_is_not():
    errors = Errors()
    for _ in range(4):
        errors.add(document(b"x"))
    stopped = seen(errors, {}, most_receipts=3).position

    errors.add(document(b"x"))
    assert len(seen(errors, {}, stopped).open) == 2
    errors.contents = {one: body for one, body in errors.contents.items() if not one.key.endswith("/0")}
    assert len(seen(errors, {}, stopped).open) == 4


def test_new_failures_behind_old_ones_that_stay_are_replayed():
    errors, stream = Errors(), Stream()
    for _ in range(1200):
        settled(errors, hours_ago=2)
    errors.receipts["errors/processing-failed/7"] = Receipt("", "", 0, 1, 3)
    for _ in range(5):
        errors.add(document(b"new"))

    found = seen(errors, remembered(seen(errors, {}).hours))
    done = Replay(
        cast("FailedDeliveries", errors),
        ChangeStream(stream, "stream"),
        run_id="run",
        most_replays=3,
        most_objects=1000,
        note=lambda _line: None,
    ).run(one.found for one in found.open)

    assert (found.left, len(stream.taken), done.waiting) == (0, 5, 0)


# What a look did not come to is met by the next one, however old it is

OLD = 24 * 1000
PIPELINE = Pipeline(
    name="orders",
    partition_key=KeyAttribute("pk", "S"),
    sort_key=None,
    time_to_live_attribute=None,
    start_date=date(2020, 1, 1),
    crawl_schedule="5 * * * *",
    views_schedule="30 6 * * *",
)


def tick(errors: Errors, instance: DagsterInstance, looked_at: datetime | None = None, **bounds: int) -> Look:
    """Look, and tell Dagster."""
    found = seen(errors, known_hours(instance, PIPELINE), looked_at=looked_at, **bounds)
    for event in failure_events(instance, PIPELINE, cast("FailedDeliveries", errors), found):
        instance.report_runless_asset_event(event)
    return found


def settled(errors: Errors, hours_ago: int) -> None:
    errors.receipts[errors.add(document(b"x"), hours_ago=hours_ago)] = Receipt("", "", 1, 0, 3)


def test_an_old_open_object_behind_many_that_are_settled_is_found_when_the_history_was_lost():
    errors = Errors()
    for later in range(8):
        settled(errors, OLD - later)
    lost = errors.add(document(b"lost"), hours_ago=OLD - 8)

    with DagsterInstance.ephemeral() as instance:
        looks = [tick(errors, instance, most_receipts=3) for _ in range(4)]
        after = tick(errors, instance, most_receipts=3)

    assert [found.left for found in looks] == [6, 3, 0, 0]
    assert [[one.found.key for one in found.open] for found in looks] == [[], [], [lost], [lost]]
    assert [one.found.key for one in after.open] == [lost], "it is open until somebody replays it"


def test_what_a_cut_listing_did_not_reach_is_listed_by_the_next_looks():
    errors = Errors()
    for later in range(8):
        settled(errors, OLD - later // 2)
    lost = errors.add(document(b"lost"), hours_ago=OLD - 8)

    with DagsterInstance.ephemeral() as instance:
        looks = [tick(errors, instance, most_listed=3)]
        for _ in range(5):
            looks.append(tick(errors, instance, NOW if looks[-1].is_whole else None, most_listed=3))

    assert [found.is_whole for found in looks] == [False, False, False, True, True, True]
    assert [one.found.key for one in looks[-1].open] == [lost]


def test_an_open_hour_behind_the_end_of_a_cut_listing_is_not_taken_for_gone():
    errors = Errors()
    lost = errors.add(document(b"lost"), hours_ago=OLD - 8)
    with DagsterInstance.ephemeral() as instance:
        tick(errors, instance)
        for later in range(4):
            settled(errors, OLD - later)
        errors.add(document(b"too old"), hours_ago=OLD)
        known = known_hours(instance, PIPELINE) | {NOW.replace(minute=0) - OLD * HOUR: Known("1-1-1", 1)}
        found = seen(errors, known, most_listed=3)

    assert not found.is_whole
    assert all(one.objects for one in found.hours), f"{lost} is there still"


def test_what_failed_while_nobody_looked_for_months_is_found():
    errors = Errors()
    settled(errors, hours_ago=OLD)
    with DagsterInstance.ephemeral() as instance:
        tick(errors, instance)
        lost = errors.add(document(b"lost"), hours_ago=OLD // 2)
        found = tick(errors, instance)

    assert errors.firsts[-1], "not everything is listed"
    assert [one.found.key for one in found.open] == [lost]


@settings(max_examples=50, deadline=None)
@given(
    hours=st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=6),
    later=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=6),
    most_receipts=st.integers(1, 4),
    most_listed=st.one_of(st.none(), st.integers(12, 18)),  # at least an hour of them
)
def test_looks_one_after_the_other_meet_every_open_object_and_forget_none(
    hours: list[list[bool]], later: list[tuple[int, int]], most_receipts: int, most_listed: int | None
):
    errors, known, position, looked_at = Errors(), dict[datetime, Known](), None, None
    for hours_ago, objects in enumerate(hours):
        for is_open in objects:
            errors.add(document(b"x" * len(errors.contents)), hours_ago=hours_ago) if is_open else settled(
                errors, hours_ago
            )
    met: set[str] = set()
    for number in range(80):
        for hours_ago, at in later:
            if at == number:
                errors.add(document(b"x" * len(errors.contents)), hours_ago=hours_ago)
        bounds = {"most_receipts": most_receipts, "most_listed": most_listed, "looked_at": looked_at}
        found = seen(errors, known, position, **bounds)
        known |= remembered([*found.unread[:1], *found.hours])
        position, looked_at = found.position, looked_at if found.position else NOW
        met |= {one.found.key for one in found.open}

    everything = {one.key: one.hour for one in errors.contents}
    still_open = {key for key in everything if key not in errors.receipts}
    assert met == still_open
    assert {everything[key] for key in still_open} == {hour for hour, one in known.items() if one.open_objects}

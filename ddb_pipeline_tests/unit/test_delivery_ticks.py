"""A tick of the deliveries sensor ends in time, also when deliveries stand still, which is when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dagster import AssetCheckEvaluation, DagsterInstance, SensorResult, SkipReason, build_sensor_context

from ddb_pipeline.arrivals import hour_of
from ddb_pipeline.assets.failed_deliveries import known_hours
from ddb_pipeline.checks.deliveries import NotKnownError, delivered_verdict
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.failed_deliveries.looking import look
from ddb_pipeline.failed_deliveries.receipts import Receipt
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.failed_deliveries import ErrorObject, FailedDeliveries
from ddb_pipeline.resources.raw_bucket import RawBucket
from ddb_pipeline.resources.settings import Connection, Settings
from ddb_pipeline.resources.tick_limit import NoTimeLeftError
from ddb_pipeline.sensors import deliveries
from ddb_pipeline.sensors.deliveries import deliveries_sensor
from ddb_pipeline_tests.declared import pipeline
from ddb_pipeline_tests.unit.test_replay import Errors, document

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
LAST = NOW - timedelta(hours=1)


class Hours(RawBucket):
    """A bucket whose hours have pages of objects, all but the last of them written before LAST."""

    def __init__(self, pages: int, *, is_late: bool = True) -> None:
        super().__init__(None, "bucket", ("changes/",))
        self.pages, self.is_late, self.read = pages, is_late, 0

    def hours(self, first: datetime | None = None) -> Iterator[datetime]:
        assert first
        return iter([first, NOW])

    def _pages(self, prefix: str) -> Iterator[Any]:
        for number in range(self.pages):
            self.read += 1
            is_new = not self.is_late and number == self.pages // 2
            moment = NOW if is_new else LAST - timedelta(hours=1)
            yield [SimpleNamespace(name=f"{prefix}{number}", last_modified=moment)]


def verdict_of(bucket: RawBucket, *, hurried: bool, failed: list[datetime] | None = None) -> str | None:
    found = [SimpleNamespace(last_modified=moment) for moment in failed or []]
    deployment = SimpleNamespace(
        names=SimpleNamespace(table="t", change_stream="s", delivery_stream="d"),
        stage=SimpleNamespace(buffer_seconds=60, stream_retention_hours=24),
        table_export=SimpleNamespace(look=lambda _now: SimpleNamespace(active=True)),
        stream_metrics=SimpleNamespace(last_arrivals=lambda _before: LAST),
        failed_deliveries=SimpleNamespace(objects=lambda _first: iter(found)),
        raw_bucket=bucket,
        hurried=hurried,
    )
    return delivered_verdict(cast("Deployment", deployment), NOW).problem


def test_reading_stops_at_the_first_object_that_was_written_since():
    bucket = Hours(10, is_late=False)

    assert verdict_of(bucket, hurried=True) is None
    assert bucket.read == 6


def test_a_tick_reads_a_bounded_number_of_pages_and_then_says_that_it_does_not_know():
    bucket = Hours(1000)

    with pytest.raises(NotKnownError, match="execute the check changes_are_delivered, which reads all"):
        verdict_of(bucket, hurried=True)

    assert bucket.read == 101


def test_the_check_reads_all_and_a_tick_that_is_through_tells_too():
    said = str(verdict_of(Hours(1000), hurried=False))
    assert said.startswith(
        "records came into stream s at 2026-11-27 11:00 UTC, and since then nothing was written to S3 into the hours "
        "from 2026-11-27-07:00 on: delivery stream d stands still, or is catching up and is at older hours yet"
    )
    assert str(verdict_of(Hours(50), hurried=True)).startswith("records came into stream s")
    assert verdict_of(Hours(50), hurried=True, failed=[LAST]) is None, "what failed has left the stream, too"


def test_a_tick_that_cannot_read_all_tells_once_that_something_failed_and_goes_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deliveries, "_TICK_RECEIPTS", 3)
    errors = Errors()
    keys = [errors.add(document(b"x"), hours_ago=1000 + number // 4) for number in range(10)]
    stub = SimpleNamespace(
        settings=SimpleNamespace(where="here"),
        names=SimpleNamespace(change_stream="s"),
        pipeline=pipeline(),
        stage=SimpleNamespace(buffer_seconds=60, stream_retention_hours=24),
        catalog=SimpleNamespace(is_projected=True),
        failed_deliveries=errors,
        table_export=SimpleNamespace(look=lambda _now: SimpleNamespace(active=True)),
        stream_metrics=SimpleNamespace(last_arrivals=lambda _before: None),
        hurried=True,
    )
    monkeypatch.setattr(PipelineAwsResource, "deployment", lambda *_arguments, **_more: nullcontext(stub))
    sensor = deliveries_sensor(pipeline(), 30, "stopped")
    resources = {"aws": PipelineAwsResource(declaration_file="pipeline.toml")}

    def tick(instance: DagsterInstance, cursor: str | None) -> tuple[SensorResult, list[bool]]:
        result = sensor(build_sensor_context(instance, cursor=cursor, resources=resources))
        assert isinstance(result, SensorResult)
        for event in result.asset_events:
            instance.report_runless_asset_event(event)
        checks = [event for event in result.asset_events if isinstance(event, AssetCheckEvaluation)]
        return result, [event.passed for event in checks if event.check_name == "no_failed_deliveries"]

    with DagsterInstance.ephemeral() as instance:
        cursor, told, messages = None, [], []
        for _ in range(9):
            result, said = tick(instance, cursor)
            cursor = result.cursor
            told.append(said)
            messages.append(str(result.skip_reason.skip_message if result.skip_reason else ""))
        for key in keys:
            errors.receipts[key] = Receipt("", "", 1, 0, 3)
        afterwards = []
        for _ in range(12):
            result, said = tick(instance, cursor)
            cursor = result.cursor
            afterwards += said

    assert told == [[False], *8 * [[]]]
    assert all("below errors/ is more than a tick looks into" in message for message in messages[1:])
    assert afterwards == [True]


class Slowly:
    """A clock that goes on with each request, of which some hundred are wanted."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.latest = seconds, 0.0, 0.0

    def monotonic(self) -> float:
        return self.now

    def passes(self) -> None:
        self.latest = self.now
        self.now += self.seconds


class SlowErrors(Errors):
    def __init__(self, clock: Slowly) -> None:
        super().__init__()
        self.clock = clock

    def objects(self, first: datetime | None = None) -> Iterator[ErrorObject]:
        for number, one in enumerate(super().objects(first)):
            if number % 1000 == 0:
                self.clock.passes()
            yield one

    def receipt(self, key: str) -> Receipt | None:
        if self.read % 8 == 0:  # as many are asked for at once
            self.clock.passes()
        return super().receipt(key)

    def body(self, key: str) -> bytes | None:
        self.clock.passes()
        return super().body(key)


class SlowHours(Hours):
    def __init__(self, clock: Slowly) -> None:
        super().__init__(1000)
        self.clock = clock

    def _pages(self, prefix: str) -> Iterator[Any]:
        for page in super()._pages(prefix):
            self.clock.passes()
            yield page


@pytest.mark.parametrize("seconds", [0.2, 2])
def test_a_tick_ends_in_time_and_gets_on_however_slowly_aws_answers(seconds: float, monkeypatch: pytest.MonkeyPatch):
    clock = Slowly(seconds)
    monkeypatch.setattr(deliveries, "time", clock)
    errors = SlowErrors(clock)
    for number in range(400):
        key = errors.add(document(b"x"), hours_ago=800 - number // 10)
        errors.receipts[key] = Receipt("", "", 1, 0, 3)
    errors.add(document(b"x"), hours_ago=700)
    stub = SimpleNamespace(
        settings=SimpleNamespace(where="here"),
        names=SimpleNamespace(change_stream="s", table="t"),
        pipeline=pipeline(),
        stage=SimpleNamespace(buffer_seconds=60, stream_retention_hours=24),
        catalog=SimpleNamespace(is_projected=True),
        failed_deliveries=errors,
        raw_bucket=SlowHours(clock),
        table_export=SimpleNamespace(look=lambda _now: clock.passes() or SimpleNamespace(active=True)),
        stream_metrics=SimpleNamespace(last_arrivals=lambda _before: clock.passes() or LAST),
        hurried=True,
    )
    monkeypatch.setattr(PipelineAwsResource, "deployment", lambda *_arguments, **_more: nullcontext(stub))
    sensor = deliveries_sensor(pipeline(), 30, "stopped")
    resources = {"aws": PipelineAwsResource(declaration_file="pipeline.toml")}

    with DagsterInstance.ephemeral() as instance:
        cursor = None
        for _ in range(16):
            clock.now = 0.0
            result = sensor(build_sensor_context(instance, cursor=cursor, resources=resources))
            assert isinstance(result, SensorResult)
            assert clock.latest < 35
            for event in result.asset_events:
                instance.report_runless_asset_event(event)
            cursor = result.cursor
        assert known_hours(instance, pipeline())[hour_of(NOW - timedelta(hours=700))].open_objects == 1


def test_without_time_as_many_receipts_are_read_as_are_asked_for_at_once():
    """One answer is waited for then, however slow: a tick that reads none would be followed by another."""
    errors = Errors()
    for _ in range(40):
        errors.add(document(b"x"), hours_ago=1)

    found = look(cast("FailedDeliveries", errors), {}, longest_delivery=timedelta(1), no_time_to_read=lambda: True)

    assert (errors.read, found.left) == (8, 32)


def test_where_a_call_comes_too_late_what_was_found_until_then_is_told(monkeypatch: pytest.MonkeyPatch):
    def refused(_now: datetime) -> None:
        raise NoTimeLeftError("AWS answers so slowly that this tick has no time left for DescribeTable")

    errors = Errors()
    errors.add(document(b"x"), hours_ago=700)
    stub = SimpleNamespace(
        settings=SimpleNamespace(where="here"),
        names=SimpleNamespace(change_stream="s", table="t"),
        pipeline=pipeline(),
        stage=SimpleNamespace(buffer_seconds=60, stream_retention_hours=24),
        catalog=SimpleNamespace(is_projected=True),
        failed_deliveries=errors,
        table_export=SimpleNamespace(look=refused),
        hurried=True,
    )
    monkeypatch.setattr(PipelineAwsResource, "deployment", lambda *_arguments, **_more: nullcontext(stub))
    sensor = deliveries_sensor(pipeline(), 30, "stopped")
    resources = {"aws": PipelineAwsResource(declaration_file="pipeline.toml")}

    with DagsterInstance.ephemeral() as instance:
        result = sensor(build_sensor_context(instance, resources=resources))

    assert isinstance(result, SensorResult)
    assert [event.passed for event in result.asset_events if isinstance(event, AssetCheckEvaluation)] == [True, False]
    assert "no time left for DescribeTable" in str(result.skip_reason and result.skip_reason.skip_message)


def test_the_sensor_gives_up_early(monkeypatch: pytest.MonkeyPatch):
    asked: list[bool] = []

    @contextmanager
    def deployment(_self: PipelineAwsResource, _name: str, *, hurried: bool = False) -> Iterator[None]:
        asked.append(hurried)
        raise PipelineError("no way")
        yield

    monkeypatch.setattr(PipelineAwsResource, "deployment", deployment)
    sensor = deliveries_sensor(cast("Pipeline", SimpleNamespace(name="orders")), 30, "stopped")
    resources = {"aws": PipelineAwsResource(declaration_file="pipeline.toml")}

    assert isinstance(sensor(build_sensor_context(resources=resources)), SkipReason)
    assert asked == [True]


def test_a_hurried_deployment_waits_for_no_answer_longer_than_a_tick_can():
    connection = Connection(region="eu-west-1", access_key_id="key", secret_access_key="secret")
    settings = cast("Settings", SimpleNamespace(connection=connection))
    names = SimpleNamespace(change_tables=[], raw_bucket="b", errors_prefix="errors/", change_stream="s")
    deployment = Deployment(cast("Any", None), cast("Any", None), settings, cast("Any", names), hurried=True)

    for reached in ("raw_bucket", "failed_deliveries", "stream_metrics", "table_export"):
        assert getattr(deployment, reached).client.meta.config.read_timeout < 10, reached

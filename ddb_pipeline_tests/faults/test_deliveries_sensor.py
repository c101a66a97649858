"""AWS does wrong while the deliveries sensor ticks: what failed is told as soon as that can be, never that none did."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    DagsterInstance,
    RepositoryDefinition,
    SensorResult,
    SkipReason,
    build_sensor_context,
)

from ddb_pipeline.arrivals import hour_prefix
from ddb_pipeline.checks.deliveries import CRAWLED_CHECK, DELIVERED_CHECK, FAILED_CHECK
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.local_aws import delivery
from ddb_pipeline.local_aws.testing import Fault, faulty
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.failing_deliveries import PIPELINE, take_away

SERVICES = ("s3", "glue", "dynamodb", "cloudwatch")
"""What a tick calls, beside SSM, whose answer it remembers."""


@dataclass
class Sensor:
    """The sensor, and the object that it is to tell of."""

    stage: Deployed
    loaded: RepositoryDefinition
    instance: DagsterInstance
    lost: str

    def tick(self) -> SensorResult | SkipReason:
        """One tick, with no cursor; what it reports is in the event log afterwards, as with the daemon."""
        resources = self.loaded.get_top_level_resources()
        context = build_sensor_context(self.instance, repository_def=self.loaded, resources=resources)
        result = self.loaded.get_sensor_def(f"{PIPELINE}_deliveries")(context)
        assert isinstance(result, SensorResult | SkipReason), result
        for event in result.asset_events if isinstance(result, SensorResult) else []:
            self.instance.report_runless_asset_event(event)
        return result

    def assert_tells(self, result: SensorResult | SkipReason, *checks: str) -> None:
        """The object is told of, and these checks are, each for the first time."""
        assert isinstance(result, SensorResult), result
        evaluations = {
            event.check_name: event for event in result.asset_events if isinstance(event, AssetCheckEvaluation)
        }
        assert set(evaluations) == set(checks)
        (event,) = [event for event in result.asset_events if not isinstance(event, AssetCheckEvaluation)]
        assert event.metadata["open_objects"].value == 1
        assert not evaluations[FAILED_CHECK].passed
        assert self.lost in str(evaluations[FAILED_CHECK].description)


@pytest.fixture(scope="module")
def hour(deployed: Deployed) -> datetime:
    """An hour in which something was delivered, so that a tick asks Glue for it."""
    item = {"pk": {"S": f"delivered-{uuid.uuid4()}"}}
    deployed.client("dynamodb").put_item(TableName=deployed.names[PIPELINE].table, Item=item)
    assert delivery.wait_until_delivered(30)
    return datetime.now(UTC)


@pytest.fixture
def sensor(stage: Deployed, hour: datetime, impatient: None) -> Iterator[Sensor]:
    """The sensor of a pipeline with an object below `errors/` that nobody has told of."""
    take_away(stage)
    names, failed = stage.names[PIPELINE], {"errorCode": "code", "errorMessage": "why"}
    lost = f"{names.errors_prefix}processing-failed/{hour_prefix(hour)}{uuid.uuid4()}"
    body = json.dumps({**failed, "rawData": base64.b64encode(b"{}").decode()}).encode()
    stage.client("s3").put_object(Bucket=names.raw_bucket, Key=lost, Body=body)
    with DagsterInstance.ephemeral() as instance:
        yield Sensor(stage, build_definitions(stage.declaration).get_repository_def(), instance, lost)
    take_away(stage)


@pytest.mark.parametrize("kind", ["throttle", "fail", "cut"])
def test_a_tick_of_the_deliveries_sensor_survives_what_passes(sensor: Sensor, kind: Any) -> None:
    with faulty(sensor.stage.endpoint, *(Fault(kind, service, count=2) for service in SERVICES)) as struck:
        result = sensor.tick()
        assert struck() == [2, 2, 2, 2]

    sensor.assert_tells(result, FAILED_CHECK, DELIVERED_CHECK, CRAWLED_CHECK)
    again = sensor.tick()
    assert isinstance(again, SensorResult)
    assert not again.asset_events, "nothing is told twice"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("throttle", "s3"), "ListObjectsV2 failed for now (stage local, {endpoint}): SlowDown"),
        (Fault("cut", "s3", "ListObjectsV2"), "ListObjectsV2 failed for now (stage local, {endpoint}): AnswerCutShort"),
        (Fault("expire"), "the AWS credentials have expired"),
    ],
    ids=["throttled", "cut", "expired"],
)
def test_a_tick_that_cannot_look_says_why_and_the_next_one_tells(sensor: Sensor, fault: Fault, said: str) -> None:
    with faulty(sensor.stage.endpoint, fault) as struck:
        result = sensor.tick()
        assert struck()[0] <= 3, "what will not pass is not tried again, and the rest three times"

    assert isinstance(result, SkipReason), "not that nothing failed"
    assert said.format(endpoint=sensor.stage.endpoint) in str(result.skip_message)
    sensor.assert_tells(sensor.tick(), FAILED_CHECK, DELIVERED_CHECK, CRAWLED_CHECK)


def test_a_service_that_refuses_keeps_no_tick_from_telling_the_rest(sensor: Sensor) -> None:
    denied = {"code": "AccessDenied", "status": 403, "message": "not for you"}
    with faulty(sensor.stage.endpoint, Fault("fail", "cloudwatch", **denied), Fault("fail", "glue")):
        result = sensor.tick()

    sensor.assert_tells(result, FAILED_CHECK)
    assert isinstance(result, SensorResult)
    message = str(result.skip_reason and result.skip_reason.skip_message)
    assert "AWS denies GetMetricStatistics" in message
    assert "failed for now" in message
    assert "InternalServiceException" in message
    later = sensor.tick()
    assert isinstance(later, SensorResult)
    assert {event.check_name for event in later.asset_events if isinstance(event, AssetCheckEvaluation)} == {
        DELIVERED_CHECK,
        CRAWLED_CHECK,
    }

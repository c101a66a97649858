"""AWS throttles, fails and breaks connections while the pipeline ticks and refreshes."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import SensorResult, SkipReason

from ddb_pipeline.local_aws.testing import Fault, faulty
from ddb_pipeline_tests.faults.conftest import PIPELINE, Scene, reasons

_SEEDS = {"athena": 0, "glue": 1, "s3": 2, "ssm": 3, "cloudwatch": 4, "dynamodb": 8}
"""What a refresh calls. DynamoDB it asks once or twice: of this seed the first request is struck."""


def shares(kind: str, rate: float, **settings: Any) -> list[Fault]:
    """A fault that strikes a share of the requests to each service."""
    return [
        Fault(kind, service, rate=rate, seed=seed, **settings)  # type: ignore[arg-type]
        for service, seed in _SEEDS.items()
    ]


def test_a_refresh_survives_throttling_of_every_service(scene: Scene) -> None:
    before = len(scene.crawls())
    with faulty(scene.stage.endpoint, *shares("throttle", 0.4)) as struck:
        result = scene.refresh()
        assert all(struck()), struck()

    assert result.success, reasons(result)
    assert len(scene.crawls()) == before + 1
    scene.assert_state_is_right()


def test_a_refresh_survives_bursts_of_faults_whose_work_may_be_done(scene: Scene) -> None:
    before = len(scene.crawls())
    burst = [*shares("fail", 0.25), *shares("fail", 0.25, carried_out=True)]
    with faulty(scene.stage.endpoint, *burst) as struck:
        result = scene.refresh()
        assert sum(struck()) > 5, struck()

    assert result.success, reasons(result)
    assert len(scene.crawls()) == before + 1
    scene.assert_state_is_right()


def test_a_repair_survives_throttling_and_faults_whose_work_may_be_done(scene: Scene) -> None:
    scene.forget_view()
    wrong = [*shares("throttle", 0.2), *shares("fail", 0.15, carried_out=True)]
    with faulty(scene.stage.endpoint, *wrong) as struck:
        repaired = scene.loaded.get_job(f"{PIPELINE}_repair").execute_in_process(
            instance=scene.instance, raise_on_error=False
        )
        assert sum(struck()) > 3, struck()

    assert repaired.success, reasons(repaired)
    scene.assert_state_is_right()


@pytest.mark.parametrize("kind", ["throttle", "fail"])
def test_a_service_that_refuses_for_good_is_named_and_nothing_is_lost(scene: Scene, kind: str) -> None:
    with faulty(scene.stage.endpoint, Fault(kind, "s3")):  # type: ignore[arg-type]
        tick, result = scene.tick(), scene.refresh()

    said = {"throttle": "SlowDown", "fail": "InternalError"}[kind]
    assert isinstance(tick, SkipReason)
    for message in (str(tick.skip_message), reasons(result)):
        assert f"ListObjectsV2 failed for now (stage local, {scene.stage.endpoint}): {said}" in message
    assert not result.success
    assert scene.refresh().success
    scene.assert_state_is_right()


def test_a_lost_answer_to_the_start_of_a_crawl_starts_no_second_one(scene: Scene) -> None:
    before = len(scene.crawls())
    with faulty(scene.stage.endpoint, Fault("fail", "glue", "StartCrawler", count=1, carried_out=True)) as struck:
        result = scene.refresh()
        assert struck() == [1]

    assert result.success, reasons(result)
    assert len(scene.crawls()) == before + 1
    scene.assert_state_is_right()


def test_a_lost_answer_to_the_start_of_a_query_starts_no_second_one(scene: Scene) -> None:
    assert scene.refresh().success
    scene.forget_view()
    before = {query["QueryExecutionId"] for query in scene.queries()}
    lost = Fault("fail", "athena", "StartQueryExecution", carried_out=True, rate=0.5, seed=1)
    with faulty(scene.stage.endpoint, lost) as struck:
        result = scene.refresh()
        assert struck()[0] > 0

    assert result.success, reasons(result)
    texts = [query["Query"] for query in scene.queries() if query["QueryExecutionId"] not in before]
    assert len(texts) == len(set(texts)), "each statement ran once"
    scene.assert_state_is_right()


def test_a_connection_cut_in_mid_page_leaves_no_hour_and_no_row_out(scene: Scene) -> None:
    before = len(scene.crawls())
    with faulty(scene.stage.endpoint, *shares("cut", 0.3)) as struck:
        tick, result = scene.tick(), scene.refresh()
        assert sum(struck()) > 5, struck()

    assert isinstance(tick, SensorResult)
    assert tick.run_requests, "the hour that is lacking was seen"
    assert result.success, reasons(result)
    assert len(scene.crawls()) == before + 1
    scene.assert_state_is_right()


@pytest.mark.parametrize(("service", "operation"), [("s3", "ListObjectsV2"), ("glue", "GetPartitions")])
def test_pages_that_are_always_cut_are_an_error_and_never_empty(scene: Scene, service: str, operation: str) -> None:
    before = len(scene.crawls())
    with faulty(scene.stage.endpoint, Fault("cut", service, operation)):
        result = scene.refresh()

    assert not result.success
    assert f"{operation} failed for now" in reasons(result)
    assert len(scene.crawls()) == before
    assert scene.refresh().success
    scene.assert_state_is_right()


def test_expired_credentials_are_named_at_once_and_the_next_ones_go_on(scene: Scene) -> None:
    with faulty(scene.stage.endpoint, Fault("expire")) as struck:
        tick, result = scene.tick(), scene.refresh()
        assert struck()[0] <= 10, "what will not pass is not tried again"

    assert isinstance(tick, SkipReason)
    for message in (str(tick.skip_message), reasons(result)):
        assert "the AWS credentials have expired" in message
        assert "sign in again" in message
    assert scene.refresh().success
    scene.assert_state_is_right()


def test_stalled_answers_delay_a_refresh_and_no_more(scene: Scene) -> None:
    with faulty(scene.stage.endpoint, *shares("stall", 0.3, seconds=0.2)) as struck:
        result = scene.refresh()
        assert sum(struck()) > 3

    assert result.success, reasons(result)
    scene.assert_state_is_right()

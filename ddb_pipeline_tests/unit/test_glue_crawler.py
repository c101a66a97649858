"""The Glue crawler resource against a played Glue: its own crawl is followed, whatever else runs."""

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from dagster import (
    AssetExecutionContext,
    DagsterExecutionInterruptedError,
    DagsterInstance,
    Definitions,
    RetryPolicy,
    asset,
    define_asset_job,
    materialize,
)

from ddb_pipeline.assets.common import failing_plainly
from ddb_pipeline.errors import NotDeployedError
from ddb_pipeline.resources.crawls import billed_dpu_hours, partitions_added
from ddb_pipeline.resources.glue_crawler import CrawlError, GlueCrawlerResource, OnRunning
from ddb_pipeline.resources.testing import FakeGlue
from ddb_pipeline.resources.testing.fake_client import refusal

THROTTLED = refusal("ThrottlingException", "slower")


def test_a_crawl_is_started_and_waited_for():
    glue = FakeGlue()

    result = glue.resource().crawl("crawler")

    assert (result.crawl_id, result.state, result.joined) == ("crawl-0", "COMPLETED", False)
    assert (result.seconds, result.dpu_hours, result.partitions_added) == (60, 0.1, 1)
    assert glue.state == "READY"


def test_an_earlier_crawl_is_not_taken_for_ours():
    glue = FakeGlue()
    glue.begin(at=-1000)

    assert glue.resource().crawl("crawler").crawl_id == "crawl-1"


# --- a crawler that runs already


def test_a_running_crawl_is_joined():
    glue = FakeGlue()
    glue.begin(at=-20)

    result = glue.resource().crawl("crawler")

    assert (result.crawl_id, result.joined, glue.starts) == ("crawl-0", True, 0)


def test_a_running_crawl_is_waited_for_and_then_our_own_is_started():
    glue = FakeGlue()
    glue.begin(at=-20)

    result = glue.resource().crawl("crawler", on_running="wait")

    assert (result.crawl_id, result.joined, glue.starts) == ("crawl-1", False, 1)


def test_a_running_crawl_is_an_error_where_that_is_wanted():
    glue = FakeGlue()
    glue.begin(at=-20)

    with pytest.raises(CrawlError, match=r"running already \(crawl crawl-0.*try again when it has ended") as caught:
        glue.resource().crawl("crawler", on_running="fail")

    assert (caught.value.transient, caught.value.crawl_id, glue.starts) == (True, "crawl-0", 0)


@pytest.mark.parametrize("on_running", ["join", "wait", "fail"])
def test_a_crawler_that_is_just_stopping_is_waited_for_and_started(on_running: OnRunning):
    glue = FakeGlue()
    glue.begin(at=-62)

    result = glue.resource().crawl("crawler", on_running=on_running)

    assert (result.crawl_id, result.joined) == ("crawl-1", False)


def test_any_other_word_is_refused():
    with pytest.raises(ValueError, match="on_running = 'skip': join, wait or fail"):
        FakeGlue().resource().crawl("crawler", on_running="skip")  # type: ignore[arg-type]


def test_a_crawl_that_runs_but_is_not_listed_yet_is_joined_once_it_is():
    glue = FakeGlue(listed_after=30)
    glue.begin(at=-1)

    result = glue.resource().crawl("crawler")

    assert (result.crawl_id, result.joined, glue.starts) == ("crawl-0", True, 0)


def test_of_two_new_crawls_the_first_is_ours():
    glue = FakeGlue(seconds=1, listed_after=30, stopping=0)

    def somebody_else_starts_one() -> None:
        if glue.now > 5 and glue.starts == 1:
            glue.begin()
            glue.on_sleep = lambda: None

    glue.on_sleep = somebody_else_starts_one

    assert glue.resource().crawl("crawler").crawl_id == "crawl-0"


def test_a_crawl_that_ran_while_we_waited_is_not_taken_for_the_one_that_we_start_then():
    """It had begun before ours and was listed meanwhile: the history is read again before each start."""
    glue = FakeGlue(seconds=10, listed_after=4)
    glue.begin(at=-1)

    result = glue.resource().crawl("crawler", on_running="wait")

    assert (result.crawl_id, glue.starts) == ("crawl-1", 1)


class Forgetful(FakeGlue):
    """Starts a crawl, and loses its answer to that once."""

    lost = 0

    def start_crawler(self, Name: str) -> dict[str, Any]:  # noqa: N803
        answer = super().start_crawler(Name)
        self.lost += 1
        if self.lost == 1:
            raise refusal("InternalServiceException", "try again")
        return answer


@pytest.mark.parametrize("on_running", ["join", "wait", "fail"])
def test_a_start_whose_answer_was_lost_is_ours_all_the_same(on_running: OnRunning):
    glue = Forgetful()

    result = glue.resource().crawl("crawler", on_running=on_running)

    assert (result.crawl_id, result.joined, glue.starts) == ("crawl-0", False, 1)


# --- what goes wrong


def test_throttling_is_waited_out():
    glue = FakeGlue()
    glue.refusals = [THROTTLED] * 5

    assert glue.resource().crawl("crawler").crawl_id == "crawl-0"
    assert glue.starts == 1


def test_throttling_beyond_the_deadline_is_an_error_and_the_crawl_goes_on():
    glue = FakeGlue(seconds=10_000)

    def throttled() -> None:
        glue.refusals = [THROTTLED] if glue.now > 20 else []

    glue.on_sleep = throttled

    with pytest.raises(CrawlError, match=r"waited 100 s for list_crawls to be accepted .*: it goes on: run this again"):
        glue.resource().crawl("crawler", deadline_seconds=100)
    assert glue.stops == 0


def unreachable() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="https://glue.eu-central-1.amazonaws.com")


def test_a_network_that_is_gone_for_a_minute_is_waited_for_once_a_crawl_runs():
    glue = FakeGlue(seconds=300)
    glue.on_sleep = lambda: setattr(glue, "refusals", [unreachable()] if 20 < glue.now < 80 else [])

    assert glue.resource().crawl("crawler").state == "COMPLETED"


def test_a_network_that_stays_away_is_an_error_and_the_crawl_goes_on():
    glue = FakeGlue(seconds=300)
    glue.on_sleep = lambda: setattr(glue, "refusals", [unreachable()] if glue.now > 20 else [])

    with pytest.raises(EndpointConnectionError):
        glue.resource().crawl("crawler")

    assert glue.now < 200
    assert glue.stops == 0


def test_an_endpoint_that_never_answered_is_an_error_at_once():
    glue = FakeGlue()
    glue.refusals = [unreachable()]

    with pytest.raises(EndpointConnectionError):
        glue.resource().crawl("crawler")
    assert glue.now == 0


def test_missing_rights_are_an_error_at_once():
    glue = FakeGlue()
    glue.refusals = [refusal("AccessDeniedException", "not you")]

    with pytest.raises(Exception, match="not you"):
        glue.resource().crawl("crawler")
    assert glue.now == 0


def test_a_failed_crawl_raises_glues_reason_and_where_its_log_is():
    glue = FakeGlue(end="FAILED", error="the role may not read the bucket")

    with pytest.raises(CrawlError, match=r"the role may not read the bucket.*/aws-glue/crawlers, stream crawler") as e:
        glue.resource().crawl("crawler")

    assert (e.value.transient, e.value.crawl_id) == (False, "crawl-0")
    assert e.value.links == {
        "crawl_log": "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1"
        "#logsV2:log-groups/log-group/$252Faws-glue$252Fcrawlers/log-events/crawler"
        "$3FfilterPattern$3D$2522crawl-0$2522"
    }


def test_a_crawl_stopped_by_someone_else_raises():
    glue = FakeGlue()

    def somebody_stops_it() -> None:
        if glue.now > 20:
            glue.on_sleep = lambda: None
            glue.stop_crawler("crawler")

    glue.on_sleep = somebody_stops_it

    with pytest.raises(CrawlError, match="STOPPED: somebody stopped it: run this again"):
        glue.resource().crawl("crawler")


def test_a_crawler_that_does_not_exist_is_named_with_the_advice_of_whoever_made_it():
    with pytest.raises(NotDeployedError, match=r"no Glue crawler other: check its name, the region and the account"):
        FakeGlue().resource().crawl("other")
    with pytest.raises(NotDeployedError, match=r"no Glue crawler other: run terraform"):
        FakeGlue().resource(missing_crawler_advice="run terraform").crawl("other")


# --- deadlines and interrupts


def test_a_crawl_that_takes_longer_than_the_deadline_goes_on_and_the_next_call_joins_it():
    """Stopped, it would be paid for and worth nothing, each time again: it only gets longer with the history."""
    glue = FakeGlue(seconds=250)
    crawler = glue.resource()

    for waited in (100, 200):
        with pytest.raises(CrawlError, match=r"waited 100 s for crawl crawl-0: it goes on: .*deadline_seconds") as e:
            crawler.crawl("crawler", deadline_seconds=100)
        assert (e.value.transient, e.value.crawl_id) == (False, "crawl-0")
        assert glue.now == pytest.approx(waited, abs=2)
    crawl = crawler.crawl("crawler", deadline_seconds=100)

    assert (crawl.crawl_id, crawl.joined, crawl.state) == ("crawl-0", True, "COMPLETED")
    assert (glue.starts, glue.stops) == (1, 0)


def test_at_the_deadline_a_joined_crawl_goes_on():
    glue = FakeGlue(seconds=10_000)
    glue.begin(at=-20)

    with pytest.raises(CrawlError, match="it goes on"):
        glue.resource().crawl("crawler", deadline_seconds=100)

    assert glue.stops == 0


def test_a_crawl_that_completed_before_the_deadline_is_a_success_though_the_crawler_is_not_ready_by_then():
    glue = FakeGlue(seconds=60, stopping=600)

    assert glue.resource().crawl("crawler", deadline_seconds=90).state == "COMPLETED"
    assert (glue.stops, glue.now) == (0, pytest.approx(90, abs=1))


def test_a_crawl_that_completed_is_a_success_though_glue_does_not_say_whether_the_crawler_is_ready(
    monkeypatch: pytest.MonkeyPatch,
):
    glue = FakeGlue()

    def denied(**_asked: str) -> None:
        raise refusal("AccessDeniedException", "no glue:GetCrawler")

    monkeypatch.setattr(glue, "get_crawler", denied)
    assert glue.resource().crawl("crawler").state == "COMPLETED"


def test_the_deadline_holds_for_the_crawl_that_is_waited_for_too():
    glue = FakeGlue(seconds=10_000)
    glue.begin(at=-20)

    with pytest.raises(CrawlError, match=r"somebody else started to end: look at the crawler's runs"):
        glue.resource().crawl("crawler", on_running="wait", deadline_seconds=100)

    assert (glue.starts, glue.stops) == (0, 0)


def test_a_crawl_that_was_started_and_not_listed_before_the_deadline_goes_on_too():
    glue = FakeGlue(listed_after=500)

    with pytest.raises(CrawlError, match=r"waited 100 s for the start of a crawl to be listed: it goes on: ") as e:
        glue.resource().crawl("crawler", deadline_seconds=100)

    assert (glue.starts, glue.stops, e.value.transient) == (1, 0, False)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, DagsterExecutionInterruptedError])
@pytest.mark.parametrize(("joined", "stops"), [(False, 1), (True, 0)])
def test_an_interrupt_stops_what_was_started_here_and_nothing_else(
    interrupt: type[BaseException], joined: bool, stops: int
):
    glue = FakeGlue()
    if joined:
        glue.begin(at=-20)

    def interrupted() -> None:
        if glue.now > 10:
            raise interrupt

    glue.on_sleep = interrupted

    with pytest.raises(interrupt):
        glue.resource().crawl("crawler")
    assert glue.stops == stops


def test_an_interrupt_stops_no_crawl_that_somebody_started_after_ours():
    glue = FakeGlue(seconds=10, stopping=0, listed_after=0)

    def interrupted() -> None:
        if glue.now > 5:
            glue.now = 20
            glue.begin()
            raise KeyboardInterrupt

    glue.on_sleep = interrupted

    with pytest.raises(KeyboardInterrupt):
        glue.resource().crawl("crawler")
    assert glue.stops == 0


def test_polls_grow_rarer_and_stay_bounded():
    glue = FakeGlue(seconds=3000)
    pauses: list[float] = []
    before = [0.0]

    def note() -> None:
        pauses.append(glue.now - before[0])
        before[0] = glue.now

    glue.on_sleep = note
    glue.resource().crawl("crawler", deadline_seconds=4000)

    assert pauses[0] < 0.3
    assert max(pauses) <= 15
    assert len(pauses) < 600


# --- in Dagster


@asset
def table(context: AssetExecutionContext, crawler: GlueCrawlerResource) -> None:
    with failing_plainly():
        result = crawler.crawl("crawler", on_running="fail", context=context)
    context.add_output_metadata(result.metadata())


class Died(BaseException):
    """The end of a process without any last word."""


def job(glue: FakeGlue) -> Any:
    loaded = Definitions([table], jobs=[define_asset_job("job")], resources={"crawler": glue.resource()})
    return loaded.resolve_job_def("job")


def test_a_run_shows_what_the_crawl_did_and_cost():
    glue = FakeGlue(partitions_added=7, dpu_hours=0.05)
    done = materialize([table], resources={"crawler": glue.resource(dpu_hour_dollars=0.5)})

    (event,) = done.asset_materializations_for_node("table")
    shown = {name: value.value for name, value in event.metadata.items()}
    log = shown.pop("crawl_log_in_console")
    assert log.startswith("https://eu-central-1.console.aws.amazon.com/cloudwatch/")
    assert shown == {
        "crawler": "crawler",
        "crawl_id": "crawl-0",
        "crawl_joined": False,
        "crawl_seconds": 60.0,
        "crawl_dpu_hours": 0.05,
        "crawl_estimated_dollars": 0.25,
        "crawl_partitions_added": 7,
        "crawl_summary": json.dumps({"PARTITION": {"ADD": {"Count": 7}}}),
        "crawl_log": "/aws-glue/crawlers, stream crawler",
    }


def test_a_failed_step_links_the_log():
    glue = FakeGlue(end="FAILED", error="no luck")
    done = materialize([table], resources={"crawler": glue.resource()}, raise_on_error=False)

    failure = done.failure_data_for_node("table")
    assert "no luck" in failure.user_failure_data.description
    assert "cloudwatch" in failure.user_failure_data.metadata["crawl_log"].value


def test_the_next_attempt_of_a_step_whose_process_died_finds_its_crawl():
    """Even where a running crawl would be an error: it is our own."""
    glue = FakeGlue(seconds=600)
    with DagsterInstance.ephemeral() as instance:

        def dies() -> None:
            if glue.now > 20:
                glue.on_sleep = lambda: None
                # what a killed process does: nothing, not even stop its crawl
                glue.refusals = [Died(), Died()]

        glue.on_sleep = dies
        with pytest.raises(Died):
            job(glue).execute_in_process(instance=instance)
        glue.refusals = []
        (first,) = instance.get_runs()
        assert glue.state == "RUNNING"

        tags = {"dagster/parent_run_id": first.run_id, "dagster/root_run_id": first.run_id}
        done = job(glue).execute_in_process(instance=instance, tags=tags)

    (event,) = done.asset_materializations_for_node("table")
    assert (event.metadata["crawl_id"].value, event.metadata["crawl_joined"].value) == ("crawl-0", True)
    assert (glue.starts, glue.stops) == (1, 0)


def test_a_retry_inside_the_run_finds_its_crawl_and_one_that_has_ended_is_not_taken():
    glue = FakeGlue(seconds=300)

    @asset(retry_policy=RetryPolicy(max_retries=2))
    def tried_again(context: AssetExecutionContext, crawler: GlueCrawlerResource) -> None:
        if context.retry_number == 1:
            glue.refusals = []
        result = crawler.crawl("crawler", on_running="fail", context=context)
        if context.retry_number == 1:
            assert (result.crawl_id, result.joined) == ("crawl-0", True)
            raise RuntimeError
        assert (result.crawl_id, result.joined) == ("crawl-1", False)

    glue.on_sleep = lambda: setattr(glue, "refusals", [unreachable()] if 20 < glue.now < 250 else [])
    assert materialize([tried_again], resources={"crawler": glue.resource()}).success
    assert glue.starts == 2


def test_the_crawl_of_another_step_is_somebody_elses():
    glue = FakeGlue(seconds=600)

    @asset
    def first(context: AssetExecutionContext, crawler: GlueCrawlerResource) -> None:
        glue.on_sleep = lambda: setattr(glue, "refusals", [unreachable()] if glue.now > 20 else [])
        with pytest.raises(EndpointConnectionError):
            crawler.crawl("crawler", context=context)
        glue.on_sleep, glue.refusals = lambda: None, []

    @asset(deps=[first])
    def second(context: AssetExecutionContext, crawler: GlueCrawlerResource) -> None:
        with pytest.raises(CrawlError, match="running already"):
            crawler.crawl("crawler", on_running="fail", context=context)

    assert materialize([first, second], resources={"crawler": glue.resource()}).success


def test_an_interrupt_stops_the_crawl_that_an_earlier_attempt_had_started():
    glue = FakeGlue(seconds=600)

    @asset(retry_policy=RetryPolicy(max_retries=1))
    def tried_again(context: AssetExecutionContext, crawler: GlueCrawlerResource) -> None:
        if context.retry_number == 1:
            glue.on_sleep = interrupted
            glue.refusals = []
        crawler.crawl("crawler", context=context)

    def interrupted() -> None:
        raise DagsterExecutionInterruptedError

    glue.on_sleep = lambda: setattr(glue, "refusals", [unreachable()] if glue.now > 20 else [])
    assert not materialize([tried_again], resources={"crawler": glue.resource()}, raise_on_error=False).success
    assert (glue.starts, glue.stops) == (1, 1)


def test_a_setting_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match=r"retries\n.*not permitted"):
        GlueCrawlerResource(retries=3)


# --- what Glue says of a crawl


@pytest.mark.parametrize(
    ("dpu_hours", "seconds", "billed"),
    [(None, 60, None), (0.1, None, 0.1), (0.1, 60, 1.0), (0.1, 600, 0.1), (0.4, 1200, 0.4), (0.0, 0.2, 0.0)],
)
def test_a_short_crawl_is_estimated_as_one_of_ten_minutes(
    dpu_hours: float | None, seconds: float | None, billed: float | None
):
    assert billed_dpu_hours(dpu_hours, seconds) == (None if billed is None else pytest.approx(billed))


@pytest.mark.parametrize(
    ("summary", "added"),
    [
        (None, None),
        ("", None),
        ("cut off {", None),
        ("[]", None),
        ("{}", None),
        ('{"TABLE": {"UPDATE": {"Count": 1}}}', None),
        ('{"PARTITION": {"ADD": {"Count": 3}}}', 3),
        ('{"partitions": {"added": 2}}', 2),
        ('{"PARTITION": "{\\"ADD\\": {\\"Count\\": 4}}"}', 4),
        ('{"PARTITION": {"ADD": {"Count": "many"}}}', None),
        ('{"PARTITION": {"ADD": true}}', None),
    ],
)
def test_a_summary_is_read_as_far_as_it_is_understood(summary: str | None, added: int | None):
    assert partitions_added(summary) == added

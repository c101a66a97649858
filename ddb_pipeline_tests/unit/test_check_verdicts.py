"""What checks say: with what is wrong, where, and what to do; and told by a sensor only when it is news."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetSpec,
    DagsterInstance,
    Definitions,
    multi_asset_check,
)

from ddb_pipeline.baselines.captures import Sight, next_capture
from ddb_pipeline.baselines.records import microseconds
from ddb_pipeline.checks import gone_hours
from ddb_pipeline.checks.deliveries import failed_verdict
from ddb_pipeline.checks.problems import problems_statement, sentence, stopped_before
from ddb_pipeline.checks.repeats import judge
from ddb_pipeline.checks.state import sample_statement, table_key
from ddb_pipeline.checks.verdict import Verdict, last_evaluation
from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.failed_deliveries.looking import Look, OpenObject, Position
from ddb_pipeline.failed_deliveries.receipts import Receipt
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.failed_deliveries import ErrorObject
from ddb_pipeline.resources.stream_metrics import PERIOD, StreamMetrics
from ddb_pipeline.resources.table_items import TableItems
from ddb_pipeline.sensors.deliveries import Cursor

NOW = datetime(2026, 11, 27, 12, 34, 56, tzinfo=UTC)
KEY = AssetCheckKey(AssetKey(["persons", "change_table"]), "check")
PIPELINE = Pipeline(
    name="orders",
    partition_key=KeyAttribute("Customer.Id", "S"),
    sort_key=KeyAttribute("item", "N"),
    time_to_live_attribute=None,
    start_date=date(2026, 1, 1),
    crawl_schedule="5 * * * *",
    views_schedule="30 6 * * *",
)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def test_a_verdict_is_news_once(instance: DagsterInstance):
    for verdict in (Verdict(None), Verdict("wrong"), Verdict("wrong otherwise"), Verdict(None, note="to be seen")):
        [event] = verdict.news(KEY, instance)
        assert (event.passed, event.description) == (verdict.problem is None, verdict.description)
        instance.report_runless_asset_event(event)
        assert verdict.news(KEY, instance) == []
        last = last_evaluation(instance, KEY)
        assert last
        assert last.description == verdict.description


def test_a_verdict_is_remembered_behind_any_number_of_runs_that_were_to_judge_and_did_not(instance: DagsterInstance):
    @multi_asset_check(specs=[AssetCheckSpec(KEY.name, asset=KEY.asset_key)], can_subset=True)
    def spared() -> Iterator[AssetCheckResult]:
        yield from ()

    [event] = Verdict("wrong", {"remembered": 1}).news(KEY, instance)
    instance.report_runless_asset_event(event)
    job = Definitions(assets=[AssetSpec(KEY.asset_key)], asset_checks=[spared]).resolve_implicit_global_asset_job_def()
    for _ in range(10):
        assert job.execute_in_process(instance=instance, asset_selection=[]).success

    history = instance.event_log_storage.get_asset_check_execution_history(KEY, limit=20)
    assert len(history) == 11, "each run left a record"
    last = last_evaluation(instance, KEY)
    assert last
    assert last.metadata["remembered"].value == 1


def judged(*objects: OpenObject, left: int = 0, is_whole: bool = True) -> Verdict:
    deployment = SimpleNamespace(pipeline=PIPELINE, failed_deliveries=SimpleNamespace(body=lambda _key: None))
    return failed_verdict(cast("Deployment", deployment), Look(objects, (), left, (), is_whole, None))


def test_what_failed_is_told_with_its_objects_and_what_a_look_did_not_come_to():
    lost = OpenObject(ErrorObject("errors/processing-failed/1", "processing-failed", NOW, 1, NOW), None)

    assert judged().problem is None
    assert str(judged(lost).problem).startswith(
        "1 object below errors/ with records that are in no view: errors/processing-failed/1; mend the cause"
    )
    assert "in no view: 7 more were not looked into; errors/processing-failed/1" in str(judged(lost, left=7).problem)
    for verdict in (judged(left=7), judged(is_whole=False)):
        assert str(verdict.problem).startswith("of the objects below errors/ that were looked into none waits")
        assert verdict.severity is AssetCheckSeverity.WARN
    assert "7 more were not looked into" in str(judged(left=7).problem)


@pytest.mark.parametrize(("tried", "said"), [(2, ""), (3, "most_replays is 4"), (5, "--most-replays 6"), (100, "")])
def test_what_failed_as_often_as_is_allowed_is_told_with_what_allows_more(tried: int, said: str):
    found = ErrorObject("errors/processing-failed/1", "processing-failed", NOW, 1, NOW)

    problem = str(judged(OpenObject(found, Receipt("at", "run", 3, 1, tried))).problem)

    assert "with records that failed again, or cannot be replayed: 1" in problem
    assert said in problem
    assert ("most_replays" in problem) is bool(said)


@pytest.mark.parametrize(
    ("is_projected", "gone", "said"),
    [(False, [], None), (False, [3, 1], "2026-11-05-01:00, 2026-11-05-03:00: somebody deleted"), (True, [3], None)],
)
def test_hours_that_are_gone_are_told_for_as_long_as_the_catalog_has_them(
    is_projected: bool, gone: list[int], said: str | None
):
    deployment = SimpleNamespace(
        pipeline=PIPELINE,
        catalog=SimpleNamespace(is_projected=is_projected),
        baselines=SimpleNamespace(capture=lambda: None),
        hours_gone=lambda: {datetime(2026, 11, 5, hour, tzinfo=UTC) for hour in gone},
    )

    verdict = gone_hours._judge(cast("AssetCheckExecutionContext", None), cast("Deployment", deployment))

    assert (verdict.problem is None) is (said is None)
    assert said is None or f"gone from S3 though the views read them: {said}" in str(verdict.problem)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ([], None),
        ([("h1", 1000, 1000)], None),
        ([("h1", 99, 0)], None),
        ([("h1", 10_000, 9_600)], None),
        (
            [("h2", 1000, 500), ("h1", 1000, 1000)],
            "500 of 2000 records of the last day are repeats (25.0%), most in h2",
        ),
    ],
)
def test_repeats_are_told_when_they_are_many(hours: list[tuple[str, int, int]], said: str | None):
    verdict = judge(hours, {})

    assert (verdict.problem is None) is (said is None)
    assert said is None or str(verdict.problem).startswith(said)


MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def explained(
    *problems: tuple[str, timedelta],
    under_way: timedelta = 7 * MINUTE,
    healed: timedelta | None = None,
    stopped: timedelta = 7 * DAY,
) -> list[tuple[Any, ...]]:
    """What the query tells of problems, each with the time since its last change."""
    statement = problems_statement(
        "problems",
        under_way_since=NOW - under_way,
        healed_before=None if healed is None else NOW - healed,
        stopped_before=NOW - stopped,
    )
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE problems (problem text, item_key text, table_name text, changes bigint, event_ids text, "
            "last_changed_at timestamp)"
        )
        rows = [(problem, (NOW - age).replace(tzinfo=None)) for problem, age in problems]
        connection.executemany("INSERT INTO problems VALUES (?, 'k', 't', 1, 'e', ?)", rows)
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize(
    ("problem", "age", "healed", "is_explained"),
    [
        ("undecided", MINUTE, None, True),
        ("undecided", DAY, None, False),
        ("undecided", DAY, 2 * DAY, False),
        ("undecided", DAY, HOUR, True),
        # neither waiting nor an export ends the stream of another table
        ("other_table", MINUTE, None, False),
        ("other_table", DAY, HOUR, False),
        ("other_table", 8 * DAY, None, True),
    ],
)
def test_what_explains_a_problem(problem: str, age: timedelta, healed: timedelta | None, is_explained: bool):
    [row] = explained((problem, age), healed=healed)
    assert row[-3:] == (is_explained, 1, is_explained)


def test_a_table_that_was_streamed_before_is_explained_and_one_that_streams_now_is_not():
    """The pipeline streams another table since a day ago; a deployment stops the former one last."""

    def look(table: str, ago: timedelta) -> Sight:
        return Sight(table, table, "s", active=True, seen_at_us=microseconds(NOW - ago))

    capture = next_capture(next_capture(None, look("before", 90 * DAY)), look("now", DAY))
    again = next_capture(capture, look("before", HOUR))
    for known, age, is_explained in (
        (capture, 2 * DAY, True),
        (capture, DAY - 59 * MINUTE, True),
        (capture, DAY - 61 * MINUTE, False),
        (capture, MINUTE, False),
        (again, HOUR, True),
        # the first ever to be streamed: only silence tells
        (next_capture(None, look("now", 90 * DAY)), 6 * DAY, False),
        (next_capture(None, look("now", 90 * DAY)), 8 * DAY, True),
    ):
        [row] = explained(("other_table", age), stopped=NOW - stopped_before(known, NOW))
        assert row[-1] == is_explained, (known.number, age)


def test_a_problem_that_fails_the_check_is_shown_before_any_number_of_lesser_ones():
    lesser = [("broken_chain", DAY)] * 30
    shown = explained(*lesser, ("undecided", 100 * DAY), ("other_table", 3 * DAY))

    assert [row[0] for row in shown[:3]] == ["other_table", "undecided", "broken_chain"]
    assert shown[0][-2:] == (32, 0)


def test_another_table_is_named_with_what_ends_its_stream():
    shown = explained(("other_table", HOUR), ("undecided", DAY))

    said = sentence(2, shown, "the-stream")

    assert said.startswith(
        "table t streams into the-stream, too, with its last change at 2026-11-27 11:34:56 UTC: no view shows its "
        "changes, and each is paid for: disable the Kinesis streaming destination of table t; the check passes 7 days "
        "after its last change; 1 problems: undecided k: records are missing or wrong: "
    )
    assert "problems" not in sentence(1, shown[:1], "the-stream")


def test_keys_in_a_statement_are_literals_whatever_they_hold():
    statement = sample_statement("v", ["it's", "'; DROP TABLE x --"], 7)

    assert "IN ('it''s', '''; DROP TABLE x --')" in statement
    assert statement.endswith("LIMIT 9")
    assert "WHEN false" in sample_statement("v", [], 7)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "{}",
        '{"Customer.Id":{"S":"a"}}',
        '{"Customer.Id":{"S":"a"},"item":{"S":"1"}}',
        '{"Customer.Id":{"S":""},"item":{"N":"1"}}',
        '{"Customer.Id":{"S":"a"},"item":{"N":"one"}}',
        '{"Customer.Id":{"S":"a"},"item":{"N":"1"},"more":{"S":"x"}}',
        '{"Customer.Id":{"S":"' + 2049 * "x" + '"},"item":{"N":"1"}}',
        '{"Customer.Id":{"S":"\\ud800"},"item":{"N":"1"}}',
    ],
)
def test_what_the_table_cannot_hold_is_not_asked_for(text: str):
    assert table_key(text, PIPELINE) is None


def test_a_key_is_asked_for_as_the_view_has_it():
    assert table_key('{"Customer.Id":{"S":"a"},"item":{"N":"1"}}', PIPELINE) == {
        "Customer.Id": {"S": "a"},
        "item": {"N": "1"},
    }


class DynamoDb:
    """A table that gives two items a call, whatever it is asked."""

    def __init__(self, *, is_exhausted: bool = False) -> None:
        self.asked: list[int] = []
        self.segments: list[Any] = []
        self._is_exhausted = is_exhausted

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's
        keys = RequestItems["t"]["Keys"]
        self.asked.append(len(keys))
        taken = 0 if self._is_exhausted else 2
        left = {"t": {"Keys": keys[taken:]}} if keys[taken:] else {}
        return {"Responses": {"t": keys[:taken]}, "UnprocessedKeys": left}

    def scan(self, **arguments: Any) -> dict[str, Any]:
        self.segments.append((arguments.get("Segment"), arguments.get("TotalSegments"), arguments["Limit"]))
        return {"Items": [] if "Segment" in arguments else [{"pk": {"S": "a"}}]}


def test_items_that_dynamodb_did_not_read_are_asked_for_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ddb_pipeline.resources.waiting.Waiting.pause", lambda _self: None)
    client = DynamoDb()
    keys = [{"pk": {"S": str(number)}} for number in range(103)]

    assert TableItems(client, "t").get(keys) == keys
    assert client.asked[0] == 100
    assert client.asked[-2:] == [3, 1]


def test_a_page_is_somewhere_in_the_table_and_one_more_where_that_place_is_empty():
    client = DynamoDb()

    assert TableItems(client, "t").page(100, 50_000) == [{"pk": {"S": "a"}}]
    [(segment, segments, limit), whole] = client.segments
    assert (segments, limit, whole) == (500, 100, (None, None, 100))
    assert 0 <= segment < 500
    TableItems(client, "t").page(100, 150)
    assert client.segments[2:] == [(None, None, 100)]


class CloudWatch:
    """Values by minutes before NOW."""

    def __init__(self, values: dict[int, float]) -> None:
        self._values = values

    def get_metric_statistics(self, **arguments: Any) -> dict[str, Any]:
        start, end, period = arguments["StartTime"], arguments["EndTime"], arguments["Period"]
        assert (end - start).total_seconds() / period <= 1440
        assert start.timestamp() % period == 0
        points = [(NOW - timedelta(minutes=ago), value) for ago, value in self._values.items()]
        return {"Datapoints": [{"Timestamp": at, "Sum": value} for at, value in points if start <= at < end]}


def test_the_last_arrivals_are_those_of_a_period_that_is_over():
    def last(values: dict[int, float]) -> datetime | None:
        return StreamMetrics(CloudWatch(values), "s").last_arrivals(NOW)

    assert last({}) is None
    assert last({60: 0.0}) is None
    assert last({2: 5.0}) is None, "that period is not over"
    assert last({60: 1.0, 30: 2.0, 20: 0.0}) == NOW - timedelta(minutes=30)
    assert last({60 * 24 * 6: 1.0}) is None
    assert timedelta(minutes=5) == PERIOD


def test_a_cursor_says_when_all_was_listed_and_where_a_look_stopped():
    stopped = Position(NOW.replace(minute=0, second=0, microsecond=0), "errors/x", "300-1-2", 7)

    for cursor in (Cursor(NOW, stopped), Cursor(NOW - timedelta(days=9)), Cursor()):
        assert Cursor.from_json(cursor.to_json(), NOW) == cursor
    assert Cursor.from_json(Cursor(NOW + timedelta(days=1)).to_json(), NOW) == Cursor(NOW), "never a time to come"


POSITION = '{"hour": "2026-01-01-00:00", "after": "", "fingerprint": "", "open_objects": 0}'


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "5",
        "[]",
        "{}",
        '{"version": 1, "looked_at": "2026-01-01T00:00:00+00:00"}',
        '{"version": 2, "looked_at": "2026-01-01T00:00:00", "position": null}',
        '{"version": 2, "looked_at": "yesterday", "position": null}',
        '{"version": 2, "looked_at": null, "position": 5}',
        f'{{"version": 2, "looked_at": null, "position": {POSITION.replace("2026-01-01-00:00", "no hour")}}}',
        f'{{"version": 2, "looked_at": null, "position": {POSITION.replace("0}", "null}")}}}',
    ],
)
def test_a_cursor_that_cannot_be_read_says_nothing(text: str | None):
    assert Cursor.from_json(text, NOW) == Cursor()

"""What a verification concludes from what it saw, and that its report can be shown to anybody."""

from __future__ import annotations

import dataclasses
import io
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.table_scan import differing_keys, distinct_keys, key_text
from ddb_pipeline.cli.verification import observations
from ddb_pipeline.cli.verification.comparison import (
    Agreement,
    Bounds,
    Measured,
    compare,
    compare_first,
    compare_measured,
)
from ddb_pipeline.cli.verification.evidence import Evidence
from ddb_pipeline.cli.verification.observations import StreamRecord
from ddb_pipeline.cli.verification.report import Report, redacted
from ddb_pipeline.cli.verification.writing import LARGE_BYTES, Writer, canonical
from ddb_pipeline.cli.verify import PERSONS
from ddb_pipeline.declaration import KeyAttribute
from ddb_pipeline.errors import PipelineError
from ddb_pipeline_tests import declared

KEYS = {"pk": {"S": "1"}}
TIMES = {"ApproximateCreationDateTime": 1721011165891550, "ApproximateCreationDateTimePrecision": "MICROSECOND"}
RECORD = {
    **dict.fromkeys(("awsRegion", "eventID", "eventName", "eventSource", "recordFormat", "tableName", "userIdentity")),
    "dynamodb": {"Keys": KEYS, **TIMES},
}


def record(partition_key: str = "k", shard: str = "s", **more: Any) -> StreamRecord:
    return StreamRecord(partition_key, shard, {**RECORD, **more})


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        ([record()], "as assumed"),
        ([], "not seen"),
        ([record(dynamodb={"ApproximateCreationDateTime": 1721011165891})], "otherwise"),
        ([record(dynamodb={**TIMES, "ApproximateCreationDateTimePrecision": "MILLISECOND"})], "otherwise"),
        ([record(), record(dynamodb={})], "otherwise"),
    ],
)
def test_times_are_in_microseconds_or_it_is_said(records, verdict):
    assert observations.times_of_records(records).verdict == verdict


def test_a_name_that_nobody_expected_is_seen():
    assert observations.shape_of_records([record()]).verdict == "as assumed"
    found = observations.shape_of_records([record(), record(eventVersion="1.1")])
    assert found.verdict == "otherwise"
    assert "eventVersion 1" in found.seen


def test_an_item_in_two_shards_is_seen():
    assert observations.partition_keys([record("k", "s"), record("k", "s")]).verdict == "as assumed"
    found = observations.partition_keys([record("a", "s"), record("b", "t")])
    assert found.verdict == "otherwise"
    assert "1 with more than one partition key, 1 in more than one shard" in found.seen


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((10, 10, 0, 0), "not seen"),
        ((11, 10, 0, 0), "as assumed"),
        ((10, 10, 1, 0), "otherwise"),
        ((11, 10, 0, 1), "otherwise"),
    ],
)
def test_repeats_without_a_common_event_id_are_seen(counts, verdict):
    assert observations.repeats(*counts).verdict == verdict


@pytest.mark.parametrize(
    ("observation", "verdict"),
    [
        (observations.deletes_by_ttl(0, 0, []), "not seen"),
        (observations.deletes_by_ttl(1, 1, ['{"type":"Service"}']), "as assumed"),
        (observations.deletes_by_ttl(1, 0, ["None"]), "otherwise"),
        (observations.large_changes(0, 0), "not seen"),
        (observations.large_changes(1, 0), "as assumed"),
        (observations.large_changes(1, 1), "otherwise"),
        (observations.writes_without_change(1), "as assumed"),
        (observations.writes_without_change(2), "otherwise"),
        (observations.hours_of_arrival(5, 0, 0), "not seen"),
        (observations.hours_of_arrival(5, 0, 2), "as assumed"),
        (observations.hours_of_arrival(5, 1, 0), "otherwise"),
        (observations.delays((5, 50), [60.4, 90.4], 3600), "as assumed"),
        (observations.delays((5, 50), [60.4, 9000.4], 3600), "otherwise"),
        (observations.delays((5, 50), [], 3600), "not seen"),
        (observations.delays(None, [], 3600), "not seen"),
        (observations.crawls([], ("0", "0")), "not seen"),
        (observations.crawls([{"State": "COMPLETED", "Summary": '{"PARTITION": {}}'}], ("0", "0")), "as assumed"),
        (observations.crawls([{"State": "COMPLETED", "Summary": "?"}], ("0", "1")), "otherwise"),
        (observations.views_after_crawl({"a": ""}), "as assumed"),
        (observations.views_after_crawl({"a": "VIEW_IS_STALE"}), "otherwise"),
    ],
)
def test_what_was_seen_is_not_more_than_was_seen(observation, verdict):
    assert observation.verdict == verdict


def test_the_large_change_is_above_a_mebibyte_and_its_item_is_allowed():
    assert LARGE_BYTES + 1_000 < 400 * 1_024
    assert 2 * LARGE_BYTES * 4 / 3 > 2**20


@pytest.mark.parametrize("types", ["S", "N", "B", "SN", "NB"])
def test_keys_of_any_type_are_as_the_column_has_them(types):
    pipeline = declared.pipeline(*(KeyAttribute(f"k{place}", kind) for place, kind in enumerate(types)))
    writer = Writer(None, None, declared.NAMES, pipeline)

    text = writer.key_text("large")

    assert list(json.loads(text)) == [f"k{place}" for place in range(len(types))]
    assert " " not in text
    assert writer.key_text("same") != text
    assert canonical({"b": {"B": b"\x00"}, "a": {"S": "é"}}) == '{"a":{"S":"é"},"b":{"B":"AA=="}}'


class SilentDynamoDb:
    """A client that takes any write."""

    def put_item(self, **request: Any) -> None:
        pass

    def delete_item(self, **request: Any) -> None:
        pass


@pytest.mark.parametrize(("expires", "sure", "unsure"), [(None, 8, 2), ("expires_at", 9, 3)])
def test_what_must_arrive_is_all_but_what_aws_decides_on(expires, sure, unsure):
    writer = Writer(SilentDynamoDb(), None, declared.NAMES, declared.pipeline(time_to_live_attribute=expires))
    writer.first_part(0)
    writer.second_part(0)
    writer.counts.update(inserted=100, updated=30, deleted=10)

    # of a canary that was written once: this, and its delete
    once, thrice = writer.bounds(canary_writes=1), writer.bounds(canary_writes=3)

    assert (once.least, once.most) == (140 + sure + 2, 140 + sure + 2 + unsure)
    assert (thrice.least, thrice.most) == (once.least, once.most + 2)


class FakeItemLoader:
    """The client of Lambda, as the item loader answers."""

    def __init__(self, **answer: Any) -> None:
        self.asked: list[dict[str, int]] = []
        self._answer = answer

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == declared.NAMES.item_loader
        self.asked.append(json.loads(Payload))
        size = self.asked[-1]["batchSize"]
        counts = {"inserted": size, "updated": size // 2, "deleted": 1}
        return {"Payload": io.BytesIO(json.dumps(self._answer.pop("payload", counts)).encode()), **self._answer}


def test_a_thousand_persons_are_loaded_by_as_many_calls_as_it_takes_and_no_two_alike():
    loader = FakeItemLoader()
    writer = Writer(SilentDynamoDb(), loader, declared.NAMES, declared.pipeline())

    writer.first_part(PERSONS // 2)
    writer.second_part(PERSONS // 2 + 1)

    assert [asked["batchSize"] for asked in loader.asked] == [250, 250, 250, 250, 1]
    assert len({asked["seed"] for asked in loader.asked}) == 5
    assert writer.counts == {"inserted": PERSONS + 1, "updated": 500, "deleted": 5}


def test_a_loader_that_fails_says_so_itself():
    loader = FakeItemLoader(FunctionError="Unhandled", payload={"errorMessage": "table is gone"})

    with pytest.raises(UserError, match="the item loader failed: table is gone"):
        Writer(SilentDynamoDb(), loader, declared.NAMES, declared.pipeline()).first_part(1)


GOOD = {
    "agreement": Agreement(items=5, differing=0, rows=5, keys=5, counted=12),
    "bounds": Bounds(10, 12, "…"),
    "hours": 2,
    "after_crawl": {"a": "", "b": ""},
    "at_end": {"a": "", "b": ""},
}


def wrong_in(**found: Any) -> list[str]:
    report = Report("stage dev", {})
    compare(report, **{**GOOD, **found})
    return [what for what, _, right in report.results if not right]


def test_a_verification_that_saw_what_it_should_is_right():
    assert wrong_in() == []
    assert wrong_in(agreement=Agreement(5, 0, 5, 5, 10)) == []
    # where Athena projects hours nothing is crawled
    assert wrong_in(after_crawl={}) == []


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ({"agreement": Agreement(5, 1, 5, 5, 11)}, "latest_item_state and a scan of the table"),
        ({"agreement": Agreement(5, 0, 6, 5, 11)}, "one row an item in latest_item_state"),
        ({"agreement": Agreement(5, 0, 5, 5, 9)}, "change_counts and what was written"),
        ({"agreement": Agreement(5, 0, 5, 5, 13)}, "change_counts and what was written"),
        ({"hours": 1}, "hours that Athena reads"),
        ({"at_end": {"a": "", "b": "VIEW_IS_STALE"}}, "every view answers"),
        ({"after_crawl": {"a": "VIEW_IS_STALE", "b": ""}}, "every view answers"),
        ({"after_crawl": {}, "at_end": {}}, "every view answers"),
    ],
)
def test_what_is_wrong_is_told(found, what):
    assert wrong_in(**found) == [what]


def first(agreement: Agreement) -> bool:
    report = Report("stage dev", {})
    compare_first(report, agreement)
    ((_, _, right),) = report.results
    return right


def test_what_the_views_showed_before_the_hour_passed_counts_too():
    assert first(Agreement(5, 0, 5, 5, 0))
    assert not first(Agreement(5, 1, 5, 5, 9))
    assert not first(Agreement(5, 0, 6, 5, 9))
    assert not first(Agreement(0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("views", "checks", "right"),
    [
        (6, {"a": True, "b": True}, True),
        (5, {"a": True, "b": True}, False),
        (6, {"a": True, "b": False}, False),
        (6, {"a": True, "judged elsewhere": False}, True),
        (6, {}, False),
    ],
)
def test_a_daily_refresh_measures_every_view_and_its_checks_pass(views, checks, right):
    report = Report("stage dev", {})
    compare_measured(report, Measured(views, checks), views=6, judged_elsewhere={"judged elsewhere"})
    ((_, found, is_right),) = report.results
    assert is_right is right
    assert all((f"{name} failed" in found) is not passed for name, passed in checks.items())


class AskedAthena:
    """Takes any query, and fails on one view."""

    def __init__(self, broken: str) -> None:
        self.asked: list[str] = []
        self._broken = broken

    def execute(self, sql: str) -> Any:
        self.asked.append(sql)
        if self._broken in sql:
            raise PipelineError("VIEW_IS_STALE")
        return SimpleNamespace(rows=[(1,)])


def test_a_view_answers_only_if_each_of_its_columns_does(monkeypatch):
    monkeypatch.setattr(Evidence, "_client", lambda _self, _service: None)
    athena = AskedAthena('"item_history"')
    deployment: Any = SimpleNamespace(names=declared.NAMES, pipeline=declared.pipeline(), athena=athena)

    answers = Evidence(deployment, datetime.now(UTC)).view_answers()

    assert {name for name, said in answers.items() if said} == {"item_history"}
    # a count alone computes no column: engines leave out what nobody asks for
    assert all("SELECT DISTINCT * FROM" in sql for sql in athena.asked)
    assert len(athena.asked) == len(answers) == 6


def test_it_waits_for_rows_that_are_doubled_and_changes_that_are_under_way():
    assert Agreement(5, 0, 5, 5, 10).is_reached(least=10)
    assert not Agreement(5, 0, 5, 5, 9).is_reached(least=10)
    assert not Agreement(5, 0, 6, 5, 10).is_reached(least=10)
    assert not Agreement(5, 1, 5, 5, 10).is_reached(least=10)


def test_a_doubled_row_shows_though_its_item_is_as_the_table_has_it():
    item = {"pk": {"S": "1"}}
    row = (json.dumps(item), json.dumps(item))
    assert differing_keys({key_text(item): item}, [row, row]) == []
    assert distinct_keys([row, row]) == {key_text(item)}


@pytest.mark.parametrize(("crawler", "looked"), [("the_crawler", True), ("", False)])
def test_crawls_are_looked_at_where_there_are_any(crawler, looked, monkeypatch):
    names = dataclasses.replace(declared.NAMES, crawler=crawler)
    monkeypatch.setattr(Evidence, "_client", lambda _self, _service: None)
    monkeypatch.setattr(Evidence, "_records_or_reason", lambda _self: ([], ""))
    monkeypatch.setattr(Evidence, "_looked", staticmethod(lambda title, _look: title))

    titles = Evidence(SimpleNamespace(names=names), datetime.now(UTC)).all(None, {}, ("0", "0"))

    assert ("crawls" in titles) is looked
    assert ("views after a crawl" in titles) is looked
    assert "repeats" in titles


def test_a_report_holds_nothing_that_must_not_be_shown():
    report = Report("stage dev", {"region": "eu-central-1"}, secrets=["company-profile", None, "ab"])
    report.failure = "arn:aws:s3:::x-123456789012 with AKIAABCDEFGHIJKLMNOP of company-profile | and\nmore"
    report.add("a | b", "1\n2", right=True)

    text = report.text()

    assert "not right" in text
    for hidden in ("123456789012", "AKIAABCDEFGHIJKLMNOP", "company-profile"):
        assert hidden not in text
    assert "| a / b | 1 2 | right |" in text
    assert redacted("1234567890123 tabs", ["ab"]) == "1234567890123 tabs"


def test_a_report_is_right_only_when_something_was_compared_and_nothing_was_wrong():
    report = Report("stage dev", {})
    assert not report.is_good
    report.add("one", "", right=True)
    assert report.is_good
    report.add("two", "", right=False)
    assert not report.is_good

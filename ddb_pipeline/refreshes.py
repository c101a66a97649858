"""When a refresh may be requested: never beside another one, and after failures ever more rarely. Mostly pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dagster import AssetKey, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from ddb_pipeline.arrivals import HOUR, LOOK_BACK, WEEK, hour_of, hour_of_prefix, listed, partition_key, retry_delay
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.resources.steps import is_repeated_by_a_person

CRAWLED = "change_table"
"""Name of the asset whose materialization crawls."""
LACKING_TAG = "ddb_pipeline/hours_not_in_the_catalog"
"""Tag of a run that the sensor or the schedule asked for: the hours that it is to bring in."""

_FAILED = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
_FINISHED = (*_FAILED, DagsterRunStatus.SUCCESS)
_UNFINISHED = [status for status in DagsterRunStatus if status not in _FINISHED]
_RUNS_LOOKED_AT = 200
"""How many of the latest runs are looked at for failures in a row; runs under way are found however old they are.

An hour that no crawl brings in has to show as often as it takes to be asked for every four hours alone (31 times, five
days), among the runs for the hours that come meanwhile (24 a day).
"""
_HOURS_NAMED = 20
_MORE = " more"
_KEY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})-([0-9]{2}):00")
LIMITED_RUN_SECONDS = 7200
"""How long a run may take, but one that makes a baseline: Dagster ends it then."""
_LOST_AFTER = timedelta(seconds=LIMITED_RUN_SECONDS)
"""A run that has been under way for so long is taken for one whose process died: Dagster's default launcher never
notices that (it has no health check), and the run would be in the way for good."""
# Dagster's name of the job behind "Materialize" in the asset graph; it exports no constant for it
_MATERIALIZED_BY_HAND = "__ASSET_JOB"

LOADED_AT = datetime.now(UTC)
"""When this code location was loaded. With the default launcher a run is a child of its server: one that began before
went down with the former server, as after Ctrl-C in mid-run. Where runs live elsewhere, or the location was only
reloaded, it may be alive: then the next run joins its crawl, and no harm is done."""


@dataclass(frozen=True)
class Attempt:
    """A run of the refresh job.

    Attributes:
        run_id: Its id.
        status: How it stands.
        ended_at: When it ended; None: not yet.
        begun_at: When it began; of a run that has not begun, when it was created.
        crawls: Whether the crawl is among what it does.
        asked_for: Hours that it was to bring into the catalog, as far as they were named.
        and_more: Whether there were more than its tag names: then it was asked for every hour that had begun.
    """

    run_id: str
    status: DagsterRunStatus
    ended_at: datetime | None
    begun_at: datetime
    crawls: bool = True
    asked_for: frozenset[datetime] = frozenset()
    and_more: bool = False

    def was_asked_for(self, hour: datetime) -> bool:
        """Whether it was to bring in an hour."""
        return hour in self.asked_for or (self.and_more and hour <= self.begun_at)


@dataclass(frozen=True)
class Decision:
    """Whether to request a refresh now.

    Attributes:
        run_key: Identifies the attempt; None: no refresh is requested.
        reason: Why it is, or is not.
        tags: Tags of the run.
    """

    run_key: str | None
    reason: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """Which hours of S3 a run compares with the catalog.

    Attributes:
        first: Those from this hour on; None: all of them, one request a day of history.
        named: These besides.
    """

    first: datetime | None = None
    named: frozenset[datetime] = frozenset()


EVERYTHING = Scope()


def refresh_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that brings a pipeline's change table and views up to date."""
    return f"{pipeline.name}_refresh"


def baseline_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that makes a pipeline's baselines."""
    return f"{pipeline.name}_baseline"


def recent(now: datetime) -> Scope:
    """Return the hours that changes arrive in, as a rule, however late they are: about nine requests."""
    return Scope(hour_of(now) - LOOK_BACK - WEEK)


def scope_of_run(tags: Mapping[str, str], now: datetime) -> Scope:
    """Return which hours a run compares.

    A run that the sensor or the schedule asked for knows which hours are lacking, and looks at these and at the recent
    ones. Any other run was asked for by a person, perhaps because something is missing: it compares everything, also
    where it repeats a run of the sensor. So does one that was asked for more hours than a tag can name.

    Args:
        tags: The run's tags.
        now: The time.
    """
    text = tags.get(LACKING_TAG)
    if text is None or _MORE in text or is_repeated_by_a_person(tags):
        return EVERYTHING
    return Scope(recent(now).first, _hours_named(text))


def attempts(instance: DagsterInstance, pipeline: Pipeline) -> list[Attempt]:
    """Return the latest runs of a pipeline's job, newest first, and all runs under way that may crawl.

    A run that makes a baseline is one until its crawl is over: the export that it waits for takes hours.
    """
    job, table = refresh_job_name(pipeline), AssetKey([pipeline.name, CRAWLED])

    def under_way(name: str) -> Sequence[RunRecord]:
        return instance.get_run_records(RunsFilter(job_name=name, statuses=_UNFINISHED), limit=_RUNS_LOOKED_AT)

    records = [
        *instance.get_run_records(RunsFilter(job_name=job), limit=_RUNS_LOOKED_AT),
        *under_way(job),
        *(record for record in under_way(_MATERIALIZED_BY_HAND) if _crawls(record.dagster_run, table)),
        *(
            record
            for record in under_way(baseline_job_name(pipeline))
            if _crawls(record.dagster_run, table) and not _has_crawled(instance, record.dagster_run, table)
        ),
    ]
    once = {record.dagster_run.run_id: record for record in records}
    newest_first = sorted(once.values(), key=lambda record: record.create_timestamp, reverse=True)
    return [_attempt(record, table) for record in newest_first]


def decide(
    lacking: Sequence[datetime],
    latest: Sequence[Attempt],
    now: datetime,
    loaded_at: datetime = LOADED_AT,
    *,
    absent: Collection[datetime] = (),
    wanted: str = "in the catalog",
) -> Decision:
    """Decide whether hours that the catalog lacks are worth a run now, or a run that failed after its crawl is.

    Each hour waits for itself: one that no crawl brings in does not delay the others. A run that failed after its
    crawl leaves its hours in the catalog, and perhaps no views: they are asked for again, and wait for themselves too.

    The run key names the hours and the run before. So a repeated tick requests nothing twice, while a failed run is
    followed by another: Dagster drops a request whose key some run has had, failed ones included.

    Args:
        lacking: Hours that the catalog lacks, oldest first.
        latest: Latest runs of the job, newest first.
        now: Time of the tick.
        loaded_at: When the code location was loaded: a run that began earlier is lost.
        absent: Those of `asked_for_in_vain` that the catalog lacks, whether or not a tick has met their data.
        wanted: What an hour is when it wants nothing more, in words.
    """
    in_trouble = {*lacking, *absent}
    others = max(_failures_that_began(in_trouble, latest) - 1, 0)
    rows = {hour: _Row(_failed_in_a_row(hour, latest), others) for hour in lacking}
    rows |= {hour: _Row(failed) for hour, failed in _failed_after_their_crawl(in_trouble, latest).items()}
    if not rows:
        return Decision(None, f"every hour is {wanted}")
    for attempt in latest:
        if attempt.status == DagsterRunStatus.QUEUED:
            return Decision(None, f"refresh {attempt.run_id[:8]} is queued")
        is_lost = attempt.begun_at < loaded_at or now - attempt.begun_at >= _LOST_AFTER
        if attempt.status not in _FINISHED and not is_lost:
            since, until = attempt.begun_at, attempt.begun_at + _LOST_AFTER
            return Decision(
                None,
                f"refresh {attempt.run_id[:8]} is running since {since:%H:%M:%S} UTC (if its process has died: "
                f"terminate it in the UI, or wait until {until:%H:%M:%S})",
            )
    first = min(rows.values(), key=lambda row: row.due)
    if now < first.due:
        failed = "refresh" if len(first.failed) == 1 else f"{len(first.failed)} refreshes"
        return Decision(
            None,
            f"the last {failed} failed or did not bring in what was asked for (the latest is "
            f"{first.failed[0].run_id[:8]}), the next may start at {first.due:%Y-%m-%d %H:%M:%S} UTC: launch the "
            "job in the UI to try at once",
        )
    together = [hour for hour, row in rows.items() if now >= row.may_come_along]
    # a run fails of an hour that no crawl brings in, for the others too
    hours = sorted([hour for hour in together if not rows[hour].is_hopeless] or together)
    keys, wanting = [partition_key(hour) for hour in hours], len(set(hours).intersection(lacking))
    before = latest[0].run_id if latest else "none"
    return Decision(
        f"{keys[0]}..{keys[-1]} ({len(keys)}) after {before}",
        f"hours not {wanted}: {wanting}" if wanting else f"hours {wanted} whose refresh failed later: {len(keys)}",
        {LACKING_TAG: listed(keys, _HOURS_NAMED)},
    )


@dataclass(frozen=True)
class _Row:
    """Attempts in a row that were of no help to an hour, newest first, and how many other rows began beside it.

    A row that others begin beside is no matter of its hour: the crawls fail. Then each further hour is tried at once,
    and after that waits with the others, ever longer: with a row of its own it would cost seven crawls an hour.
    """

    failed: Sequence[Attempt]
    others: int = 0

    @property
    def delay(self) -> timedelta:
        return retry_delay(len(self.failed) + self.others if self.failed else 0)

    @property
    def due(self) -> datetime:
        """When the next attempt may start."""
        if not self.failed:
            return datetime.min.replace(tzinfo=UTC)
        return (self.failed[0].ended_at or self.failed[0].begun_at) + self.delay

    @property
    def may_come_along(self) -> datetime:
        """When the hour may be asked for together with another: in an outage each would have runs of its own."""
        return self.due - self.delay / 2 if self.failed and not self.is_hopeless else self.due

    @property
    def is_hopeless(self) -> bool:
        """Whether the hour, and not crawling as such, failed so often that it is asked for by itself, and rarely."""
        return self.delay > HOUR and not self.others


def _failures_that_began(absent: set[datetime], latest: Sequence[Attempt]) -> int:
    """How many runs since the last crawl that succeeded were the first to fail of some hour that is still lacking."""
    began, known = 0, set[datetime]()
    for attempt in reversed(_since_the_last_crawl(latest)):
        new = attempt.asked_for & absent - known
        began, known = began + bool(new), known | new
    return began


def _failed_in_a_row(hour: datetime, latest: Sequence[Attempt]) -> list[Attempt]:
    """Attempts to crawl that did not bring in an hour that is lacking, newest first.

    One that was asked for the hour did not help, however it ended: asked for again at once, it would be paid for again
    and again. One that was asked for other hours says nothing about this one. One that was asked for none failed for
    all, unless a crawl has succeeded since.
    """
    failed, works = [], False
    for attempt in (attempt for attempt in latest if attempt.crawls):
        if attempt.was_asked_for(hour):
            failed.append(attempt)
        elif attempt.status == DagsterRunStatus.SUCCESS:
            if not attempt.asked_for:
                break
            works = True
        elif not attempt.asked_for and not works:
            failed.append(attempt)
    return failed


def asked_for_in_vain(latest: Sequence[Attempt]) -> frozenset[datetime]:
    """Return the hours that the runs since the last crawl that succeeded were asked for."""
    return frozenset().union(*(attempt.asked_for for attempt in _since_the_last_crawl(latest)))


def _since_the_last_crawl(latest: Sequence[Attempt]) -> list[Attempt]:
    """That views are made says nothing about crawls: they may go on failing."""
    return _since_the_last_success([attempt for attempt in latest if attempt.crawls])


def _since_the_last_success(latest: Sequence[Attempt]) -> list[Attempt]:
    return list(itertools.takewhile(lambda attempt: attempt.status != DagsterRunStatus.SUCCESS, latest))


def _failed_after_their_crawl(absent: set[datetime], latest: Sequence[Attempt]) -> dict[datetime, list[Attempt]]:
    """Hours that the catalog has since some run was asked for them, which failed all the same and nothing made good.

    Any run that succeeds makes them good. So the hours of the latest of these runs stand for all, and all their
    failures count; those of runs for absent hours alone do not: they most likely failed of these.

    Returns:
        The failures, newest first, by hour.
    """
    failed = [run for run in _since_the_last_success(latest) if not run.asked_for or run.asked_for - absent]
    asked = (run.asked_for - absent for run in failed if run.crawls and run.asked_for)
    return dict.fromkeys(sorted(next(asked, ())), failed)


def _attempt(record: RunRecord, table: AssetKey) -> Attempt:
    run = record.dagster_run
    asked = run.tags.get(LACKING_TAG, "")
    return Attempt(
        run.run_id,
        run.status,
        datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None,
        datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp,
        _crawls(run, table),
        _hours_named(asked),
        _MORE in asked,
    )


def _crawls(run: DagsterRun, table: AssetKey) -> bool:
    """Whether the crawl is among what a run does; one without a selection does all of its job.

    A run that repeats another from where it failed does some steps alone: what went well before is not done again.
    """
    is_selected = run.asset_selection is None or table in run.asset_selection
    return is_selected and (run.step_keys_to_execute is None or _step(table) in run.step_keys_to_execute)


def _has_crawled(instance: DagsterInstance, run: DagsterRun, table: AssetKey) -> bool:
    """Whether the crawl of a run is over."""
    return any(found.end_time for found in instance.get_run_step_stats(run.run_id, [_step(table)]))


def _step(table: AssetKey) -> str:
    return table.to_python_identifier()


def _hours_named(text: str) -> frozenset[datetime]:
    """Hours that a tag names; what a person may have made of it and is no hour names none."""
    hours = map(hour_of_prefix, (f"year={y}/month={m}/day={d}/hour={h}/" for y, m, d, h in _KEY.findall(text)))
    return frozenset(hour for hour in hours if hour is not None)

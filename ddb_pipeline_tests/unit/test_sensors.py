"""Ticks of the arrivals sensor against a bucket of names: each bounded, all together leaving nothing out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unittest import mock

import pytest
from dagster import DagsterRunStatus
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ddb_pipeline import rounds
from ddb_pipeline.arrivals import (
    HOUR,
    LOOK_BACK,
    WEEK,
    changed,
    emptied,
    hour_of,
    hour_of_key,
    hour_prefix,
    objects_of,
    partition_key,
)
from ddb_pipeline.readings import Share
from ddb_pipeline.refreshes import Attempt, asked_for_in_vain, decide, scope_of_run
from ddb_pipeline.resources.raw_bucket import RawBucket
from ddb_pipeline.rounds import SHARES, Cursor
from ddb_pipeline.sensors.arrivals import TickReading, read_rounds
from ddb_pipeline_tests.model_bucket import ModelBucket

START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = START - HOUR * 500
"""The first hour that Dagster knows: what comes late may be of an hour before the test began."""
LATE_IN_A_TICK = 16
"""Seconds after its start, when it begins no other page."""
MOST_REQUESTS = 7
"""What a tick costs that has caught up, whatever the bucket holds."""


def name(hour: datetime, minute: float = 0, version: int = 1, unique: str = "a") -> str:
    """A name as Firehose gives it."""
    return f"{hour_prefix(hour)}stream-{version}-{hour + timedelta(minutes=minute):%Y-%m-%d-%H-%M-%S}-{unique}.json.gz"


class World:
    """S3, the catalog, the crawler and Dagster, as far as ticks see them."""

    def __init__(self, bucket: ModelBucket | None = None, now: datetime = START) -> None:
        self.bucket = bucket or ModelBucket()
        self.now = now
        self.cursor = ""
        self.reported: dict[str, str] = {}
        self.catalog: set[datetime] = set()
        self.runs: list[Attempt] = []
        self.crawler_works = True

    def tick(self, elapsed: Callable[[], float] = lambda: 0) -> TickReading:
        """One tick: reports what changed, and runs the refresh that it asks for."""
        cursor = Cursor.from_json(self.cursor)
        found = read_rounds(cast("RawBucket", self.bucket), cursor, self.now, elapsed)
        for content in changed([one for one in found.contents if one.hour <= self.now], self.reported):
            self.reported[partition_key(content.hour)] = content.fingerprint
        for hour in found.hours_without_data(FIRST):
            if objects_of(self.reported.get(partition_key(hour))):
                self.reported[partition_key(hour)] = emptied(hour).fingerprint
        lacking = sorted({met.hour for met in found.met} - self.catalog)
        decision = decide(lacking, self.runs, self.now, START, absent=asked_for_in_vain(self.runs) - self.catalog)
        assert bool(decision.run_key) <= bool(lacking or self.last_failed)
        if decision.run_key:
            self.refresh(decision.tags)
        self.cursor = rounds.next_cursor(cursor, found.readings, self.now).to_json()
        return found

    @property
    def last_failed(self) -> bool:
        """Whether the last refresh failed: it is asked for again, whatever of it the catalog holds."""
        return bool(self.runs) and self.runs[0].status == DagsterRunStatus.FAILURE

    def refresh(self, tags: dict[str, str]) -> None:
        """A crawl brings in every hour that has data, when the run finds that it looks at one that is lacking."""
        scope, truth = scope_of_run(tags, self.now), set(self.bucket.truth())
        asked, gone = truth - self.catalog, set(scope.named) - truth
        looked_at = {hour for hour in asked if scope.first is None or hour >= scope.first or hour in scope.named}
        # an hour may be deleted while its reading takes several ticks; a failed run may have crawled
        assert looked_at or gone or self.last_failed, "a run for nothing"
        status = DagsterRunStatus.SUCCESS if self.crawler_works else DagsterRunStatus.FAILURE
        if self.crawler_works:
            self.catalog |= asked
        self.runs.insert(0, Attempt(f"run-{len(self.runs)}", status, self.now, self.now, asked_for=scope.named))

    def tick_until(self, holds, ticks: int, step: timedelta = timedelta(seconds=30)) -> int:
        """Tick until something holds; how many ticks it took."""
        for done in range(ticks):
            if holds():
                return done
            self.now += step
            self.tick()
        assert holds(), f"not within {ticks} ticks"
        return ticks

    def is_told(self) -> bool:
        """Whether Dagster knows of every hour what it holds, and the catalog has them all."""
        truth = {hour: found for hour, found in self.bucket.truth().items() if hour <= self.now}
        holding = {hour_of_key(key) for key, fingerprint in self.reported.items() if objects_of(fingerprint)}
        return (
            set(truth) <= self.catalog
            and {hour for hour in holding if hour <= self.now} == set(truth)
            and all(self.reported[partition_key(hour)] == found.fingerprint for hour, found in truth.items())
        )


def caught_up(hours: int, objects: int = 1) -> World:
    """A world with some hours behind it, of which everything is told."""
    world = World(now=START + HOUR * hours - timedelta(minutes=1))
    world.bucket.put_all(
        [name(START + HOUR * hour, unique=f"{number:06}") for hour in range(hours) for number in range(objects)]
    )
    truth = world.bucket.truth()
    world.catalog = set(truth)
    world.reported = {partition_key(hour): found.fingerprint for hour, found in truth.items()}
    world.cursor = Cursor(max(truth)).to_json()
    return world


def test_a_tick_with_nothing_new_costs_the_same_however_much_was_delivered():
    costs = []
    for hours in (10, 300, 3_000):
        world = caught_up(hours, objects=2)
        world.bucket.requests = 0
        for _ in range(10):
            world.tick()
        costs.append(world.bucket.requests / 10)

    assert set(costs) == {4}


def test_a_long_history_is_read_in_bounded_ticks_and_the_present_is_crawled_meanwhile():
    world = World(now=START + HOUR * 999)
    world.bucket.put_all([name(START + HOUR * hour) for hour in range(1000)])

    found = world.tick()
    assert len(found.contents) == SHARES["new"].hours
    assert found.more
    world.bucket.put(name(hour_of(world.now) + HOUR))
    world.now += HOUR
    assert world.tick().more
    assert hour_of(world.now) in world.catalog

    assert world.tick_until(world.is_told, 10) < 8
    assert not world.tick().more


def test_a_daemon_that_was_down_for_a_week_catches_up():
    world = caught_up(48)
    for hour in range(48, 48 + 7 * 24):
        world.bucket.put(name(START + HOUR * hour))
    world.now = START + HOUR * (48 + 7 * 24)

    world.tick()

    assert world.is_told()
    assert len(world.runs) == 1, "one crawl for all of the week"


@pytest.mark.parametrize(("behind", "ticks"), [(LOOK_BACK, 1), (LOOK_BACK + HOUR, 8), (WEEK, 8), (WEEK * 2, 50)])
@pytest.mark.parametrize("in_an_hour_that_is_there", [True, False])
def test_an_hour_far_behind_is_found_the_sooner_the_likelier_it_is(
    behind: timedelta, ticks: int, in_an_hour_that_is_there: bool
):
    """After an outage Firehose goes on where the stream's retention begins; hands and replays may go anywhere."""
    world = caught_up(24 * 7 * 6)
    late = START + HOUR * (24 * 7 * 6 - 1) - behind
    if not in_an_hour_that_is_there:
        world.bucket.delete(name(late, unique="000000"))
        world.catalog.discard(late)
        world.reported.pop(partition_key(late))
    world.bucket.put(name(late, 1, unique="late"))

    assert world.tick_until(world.is_told, 100) <= ticks


def test_names_of_a_new_version_of_the_stream_are_not_passed_over():
    """`-10-` sorts before `-9-`."""
    world = caught_up(10)
    hour = START + HOUR * 10
    world.now = hour
    world.bucket.put(name(hour, 1, version=9))
    world.tick_until(world.is_told, 1)
    world.bucket.put(name(hour, 2, version=10))

    assert world.tick_until(world.is_told, 2) == 1
    assert world.reported[partition_key(hour)].startswith("2-")


def test_objects_of_the_same_second_are_not_passed_over():
    world = caught_up(10)
    hour = START + HOUR * 9
    for unique in "zyx":
        world.bucket.put(name(hour, 5, unique=unique))
        assert world.tick_until(world.is_told, 2) == 1


def test_a_deleted_object_is_noticed():
    world = caught_up(300, objects=2)
    for hour in (299, 250, 3):
        world.bucket.delete(name(START + HOUR * hour, unique="000001"))

    world.tick_until(world.is_told, 20)

    assert world.reported[partition_key(START + HOUR * 3)].startswith("1-")


@pytest.mark.parametrize(("hour", "ticks"), [(299, 1), (296, 1), (250, 8), (3, 30)])
def test_an_hour_that_lost_all_its_objects_is_noticed(hour: int, ticks: int):
    world = caught_up(300)
    world.bucket.delete(name(START + HOUR * hour, unique="000000"))
    assert not world.is_told()

    assert world.tick_until(world.is_told, 100) <= ticks
    assert world.runs == []


def test_an_hour_with_a_hundred_thousand_objects_costs_no_more_than_another_in_a_tick():
    world = caught_up(10)
    big = START + HOUR * 10
    world.now = big + timedelta(minutes=30)
    world.bucket.put_all([f"{hour_prefix(big)}stream-1-{number:06}" for number in range(100_000)])
    world.tick()
    assert world.reported[partition_key(big)].startswith("100000-")
    assert len(world.runs) == 1, "the hour was crawled at once"

    world.bucket.put(f"{hour_prefix(big)}stream-1-000500-late")
    for _ in range(26):
        world.bucket.requests = 0
        world.tick()
        assert world.bucket.requests <= MOST_REQUESTS
    assert world.reported[partition_key(big)].startswith("100001-")


def test_hours_of_the_future_hide_nothing_and_are_crawled_all_the_same():
    """The clock of S3 runs ahead of ours, or an object was put there by hand."""
    world = caught_up(10)
    for hour in (12, 90_000):
        world.bucket.put(name(START + HOUR * hour))
    world.now = START + HOUR * 10
    world.bucket.put(name(world.now))
    world.tick()
    assert partition_key(START + HOUR * 12) not in world.reported
    assert START + HOUR * 12 in world.catalog
    assert world.is_told()

    world.now = START + HOUR * 12
    world.bucket.put(name(START + HOUR * 11))
    world.tick()

    assert world.is_told()
    assert len(world.reported) == 13


def test_a_clock_that_ran_ahead_and_was_set_right_hides_nothing():
    world = caught_up(10)
    world.bucket.put(name(START + HOUR * 5000))
    world.now = START + HOUR * 6000
    world.tick()
    world.bucket.delete(name(START + HOUR * 5000))
    world.now = START + HOUR * 11
    world.bucket.put(name(START + HOUR * 11))

    world.tick()

    assert world.is_told()


def test_a_lost_cursor_reports_and_crawls_nothing_again():
    world = caught_up(100)
    reported, runs = dict(world.reported), len(world.runs)
    world.cursor = "lost"

    world.tick_until(lambda: not world.tick().more, 5)

    assert (world.reported, len(world.runs)) == (reported, runs)


def test_a_slow_bucket_ends_a_tick_early_and_the_next_goes_on():
    world = World(ModelBucket(page=10), now=START + HOUR * 99)
    world.bucket.put_all([name(START + HOUR * hour) for hour in range(100)])
    answers = iter([0, LATE_IN_A_TICK, LATE_IN_A_TICK])
    found = world.tick(lambda: next(answers))
    assert len(found.contents) == 19, "two pages; of their last hour nobody knows whether it goes on"
    assert len(world.tick(lambda: LATE_IN_A_TICK).contents) == 10, "one page, however late it is"

    assert world.tick_until(world.is_told, 5) == 1


@pytest.mark.parametrize("last", [0, 1, 2, 4])
def test_no_page_is_begun_when_the_time_is_used_up_also_where_a_long_past_is_read(last: int):
    world = World(now=START + HOUR * 960)
    world.bucket.put_all([name(START + HOUR * hour) for hour in range(961)])

    found = world.tick(lambda: LATE_IN_A_TICK * (world.bucket.requests > last))

    assert found.more
    assert world.bucket.requests == last + 1
    assert (world.now in {met.hour for met in found.met}) is (last > 1), "then the newest hour comes first"


@pytest.mark.parametrize("seconds", [0.02, 0.16, 0.5])
def test_while_a_long_past_is_read_the_present_is_looked_into_however_many_pages_that_takes(seconds: float):
    """A page takes S3 0.16 seconds as a rule: the share of what is new would take all of the tick's time."""
    world = World(ModelBucket(page=1), now=START + HOUR * 199)
    world.bucket.put_all([name(START + HOUR * hour) for hour in range(200)])

    found = world.tick(lambda: world.bucket.requests * seconds)

    assert found.more
    assert {world.now - HOUR * behind for behind in range(4)} <= {met.hour for met in found.met}
    assert world.bucket.requests * seconds <= LATE_IN_A_TICK


def test_a_failing_crawl_is_asked_for_ever_more_rarely_and_helps_when_it_works_again():
    world = World(now=START)
    world.crawler_works = False
    world.bucket.put(name(START))
    world.tick_until(lambda: world.now - START > timedelta(hours=6), 1000)
    assert 10 <= len(world.runs) <= 12, "seven within an hour or two, then each hour"

    world.crawler_works = True
    world.tick_until(world.is_told, 130)


def test_an_hour_that_no_crawl_brings_in_is_not_crawled_again_and_again():
    """The crawler passes over folders whose format or compression is not the table's."""
    world = World(now=START)
    world.bucket.put(name(START))
    with mock.patch.object(World, "refresh", refresh_without_effect):
        world.tick_until(lambda: world.now - START > timedelta(hours=3), 1000)

    assert len(world.runs) < 10


def refresh_without_effect(world: World, tags: dict[str, str]) -> None:
    named = scope_of_run(tags, world.now).named
    run = Attempt(f"run-{len(world.runs)}", DagsterRunStatus.SUCCESS, world.now, world.now, asked_for=named)
    world.runs.insert(0, run)


@pytest.fixture
def small_shares() -> Iterator[None]:
    """Shares so small that a few objects take several ticks."""
    shares = {"new": Share(2, 4), "look_back": Share(1, 3), "week": Share(1, 3), "history": Share(1, 3)}
    with mock.patch.dict(SHARES, shares):
        yield


class Chance:
    """What may happen between two ticks."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)

    def arrive(self, hours_late: int, count: int) -> None:
        for _ in range(count):
            hour, second = hour_of(self.world.now) - HOUR * hours_late, self.random.randrange(3)
            stored = name(hour, second, self.random.choice([9, 10]), f"{self.random.randrange(2**32):08x}")
            written = self.world.now + timedelta(seconds=second)
            self.world.bucket.put(stored, self.random.randrange(1000), written)

    def delete(self, count: int) -> None:
        names = self.world.bucket.names
        for one in self.random.sample(names, min(count, len(names))):
            self.world.bucket.delete(one)

    def drop_partitions(self, count: int) -> None:
        self.world.catalog -= set(self.random.sample(sorted(self.world.catalog), min(count, len(self.world.catalog))))

    def wait(self, minutes: int) -> None:
        """Minutes without a daemon."""
        self.world.now += timedelta(minutes=minutes)

    def tick(self, count: int) -> None:
        for _ in range(count):
            self.world.now += timedelta(seconds=30)
            assert len(self.world.tick().contents) <= sum(share.hours for share in SHARES.values())

    def set_crawler(self, works: bool) -> None:
        self.world.crawler_works = works

    def lose_cursor(self) -> None:
        self.world.cursor = ""


LATE, FEW = st.integers(0, 400), st.integers(1, 12)
STEPS = st.one_of(
    st.tuples(st.just("arrive"), st.just(0), FEW),
    st.tuples(st.just("arrive"), LATE, FEW),
    st.tuples(st.just("delete"), FEW),
    st.tuples(st.just("drop_partitions"), FEW),
    st.tuples(st.just("wait"), st.integers(1, 4000)),
    st.tuples(st.just("tick"), FEW),
    st.tuples(st.just("set_crawler"), st.booleans()),
    st.tuples(st.just("lose_cursor")),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=25), st.integers(1, 8), st.integers(0, 2**16))
@example([("arrive", 0, 1), ("arrive", 11, 1), ("tick", 1), ("delete", 2)], 1, 0)
@example([("arrive", 0, 1), ("set_crawler", False), ("tick", 1), ("delete", 1)], 1, 0)
@pytest.mark.usefixtures("small_shares")
def test_whatever_happens_every_hour_is_told_and_crawled_in_the_end(steps: list[tuple[Any, ...]], page: int, seed: int):
    world = World(ModelBucket(page), now=START + HOUR * 10)
    chance = Chance(world, seed)
    for step, *values in steps:
        getattr(chance, step)(*values)

    world.crawler_works = True
    world.now += timedelta(hours=5)
    world.tick_until(world.is_told, 3000)
    runs = len(world.runs)
    chance.tick(30)
    truth, later = set(world.bucket.truth()), world.runs[: len(world.runs) - runs]
    assert all(set(run.asked_for) - truth for run in later), "an hour of the catalog asks for nothing"

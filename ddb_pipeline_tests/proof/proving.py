"""One proof: writes and deliveries on a clock that is put forward, then every view against what was written."""

from __future__ import annotations

import random
import time

from ddb_pipeline.baselines.choice import for_moment, newest, without_healed
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.local_aws import change_stream
from ddb_pipeline.local_aws.change_stream import StreamFaults
from ddb_pipeline.view_sql import ViewInputs, select_statement, views
from ddb_pipeline_tests.proof import delivered, held, typed, wrong_rules
from ddb_pipeline_tests.proof.delivered import Delivered
from ddb_pipeline_tests.proof.lives import World, living
from ddb_pipeline_tests.proof.stage import MARGIN_SECONDS, Stage

HOUR_SECONDS = 3600
_SHOWN = 5
_MOMENTS = 3
_UNITS = ("millisecond", "second", "second")
_HELD_BACK_SECONDS = 24 * HOUR_SECONDS
"""Longer than a proof takes on its clock: such records arrive when the faults of their stream change."""
_LATE_AT_LAST = 0.3
_WRITES_AT_LAST = 3
"""A late change shows what is wrong with a rule only where a newer change of its item was in time.

At these two, one item in six has that, so that a proof of 100 items has it whatever its seed.
"""


class Proof:
    """A proof on a stage that is up.

    Args:
        stage: The stage.
        lives: How many items.
        rounds: Rounds of one to three writes to each, about.
        seed: Same seed, same writes and same faults.
    """

    def __init__(self, stage: Stage, lives: int, rounds: int, seed: int) -> None:
        self._stage = stage
        self._rounds = rounds
        self._chance = random.Random(seed)
        self._world = World(stage.client("dynamodb"), stage.names.table, lives, seed)
        self._begun = time.monotonic()
        self._differences = 0

    def run(self) -> int:
        """Write, deliver, refresh and compare; returns how many differences there were."""
        baseline_after = self._chance.randrange(self._rounds - 1) if self._rounds > 1 else None
        for number in range(self._rounds):
            is_last = number == self._rounds - 1
            if is_last:
                self._write(self._worst_faults(late=_LATE_AT_LAST), at_least=_WRITES_AT_LAST)
            else:
                self._write(self._some_faults() if number else self._worst_faults(late=0))
            self._tell(f"round {number + 1} of {self._rounds} is written")
            if number == baseline_after:
                # what was just written may be under way still, or have been read long ago
                self._stage.put_clock_forward(self._chance.choice([0, MARGIN_SECONDS, HOUR_SECONDS]))
                self._make_baseline(state_alone=True)
        lacking = self._baseline_before_the_last_arrive()
        self._stage.crawl()
        arrived = delivered.read(self._stage.ask, self._world.lives)
        steps = sum(len(life.steps) for life in self._world.lives)
        self._tell(
            f"{steps} changes arrived as {arrived.records} records; {len(arrived.undecidable())} keys cannot be told"
        )
        is_whole = self._hold_late_changes(lacking, arrived)
        failed = self._stage.run("refresh") if is_whole else self._make_baseline()
        self._count("checks", [f"{name} failed" for name in failed])
        self._count("changes", arrived.faults)
        same = self._stage.table() == living(self._world.lives)
        self._count("the table", [] if same else ["a scan of the table is not what was written"])
        for name, hold in held.VIEWS.items():
            self._count(name, hold(self._stage.ask, arrived))
        self._count("item columns", typed.item_columns(self._stage.ask, self._stage.item_columns()))
        self._hold_the_past(arrived)
        self._count("wrong rules", wrong_rules.uncaught(self._stage.ask, arrived, lacking))
        return self._differences

    def _make_baseline(self, *, state_alone: bool = False) -> set[str]:
        """Make one, and return the names of the checks that failed."""
        failed = self._stage.run("baseline", state_alone=state_alone)
        self._tell(f"baseline made; checks that failed: {', '.join(sorted(failed)) or 'none'}")
        return failed

    def _baseline_before_the_last_arrive(self) -> Manifest:
        """Make a baseline an hour before the late changes arrive, and return it: of a snapshot, they are too late."""
        self._stage.deliver_what_is_not_late()
        self._stage.put_clock_forward(HOUR_SECONDS)
        self._make_baseline(state_alone=True)
        made = newest(self._stage.baselines())
        assert made is not None, "a baseline was made"
        self._stage.put_clock_forward(HOUR_SECONDS)
        self._stage.deliver()
        return made

    def _hold_late_changes(self, baseline: Manifest, arrived: Delivered) -> bool:
        """Changes that came too late for a baseline are counted and listed, and no other item's state is wrong.

        Returns whether there are none. An export lacks nothing: it holds the table.
        """
        rows = self._stage.ask(
            "SELECT item_key, changed_at_us FROM changes "
            f"WHERE changed_at_us < {baseline.cut_us} AND arrived_at_ms * 1000 > {baseline.read_at_us}"
        )
        late = held.TooLate(rows if baseline.source == "snapshot" else [])
        found = self._stage.late_changes()
        listed = [(item_key, changed_at_us) for item_key, changed_at_us, _ in found.keys]
        self._count(f"{found.changes} changes that came too late", late.differences(found.changes, listed))
        self._count("states of the items that did not change too late", late.hold_the_others(self._stage.ask, arrived))
        return not found.changes

    def _worst_faults(self, *, late: float) -> StreamFaults:
        """Every change of a second at once, half of the records overtaken: what a wrong rule comes to at the end."""
        return StreamFaults(
            repeats=0.1,
            reorders=0.5,
            late=late,
            late_seconds=_HELD_BACK_SECONDS,
            coarse_times=1,
            unit="second",
            window=100,
            seed=self._chance.randrange(10**9),
        )

    def _some_faults(self) -> StreamFaults:
        chance = self._chance
        return StreamFaults(
            repeats=chance.choice([0, 0.05, 0.3]),
            reorders=chance.choice([0, 0.1, 0.5]),
            late=chance.choice([0, 0.02, 0.2]),
            late_seconds=chance.choice([1, _HELD_BACK_SECONDS]),
            coarse_times=chance.choice([0, 0.5, 1]),
            unit=chance.choice(_UNITS),
            window=chance.choice([2, 50, 200]),
            seed=chance.randrange(10**9),
        )

    def _write(self, faults: StreamFaults, at_least: int = 1) -> None:
        """One round of writes, so many to each item at least, under faults of its own."""
        chance = self._chance
        if chance.random() < 0.5:
            # what was held back arrives in a later hour; some writes begin in one hour and end in the next
            to_the_next = HOUR_SECONDS - time.time() % HOUR_SECONDS
            self._stage.put_clock_forward(to_the_next + chance.choice([0, HOUR_SECONDS, HOUR_SECONDS - 1.5]))
        # a unit of coarse times begins with the faults: else a change would seem to come before an earlier one
        self._stage.put_clock_forward(1 - time.time() % 1)
        change_stream.set_stream_faults(faults, self._stage.names.change_stream)
        self._stage.write_times_in(chance.choice(["MILLISECOND", "MICROSECOND"]))
        # several writes of an item within a unit of coarse times, so that they seem to be at once
        for _ in range(max(at_least, chance.choice([1, 2, 3]))):
            self._world.write_round()
        if chance.random() < 0.5:
            change_stream.expire_items()
            self._world.expired()

    def _hold_the_past(self, arrived: Delivered) -> None:
        """The state as of some changes, and as of the first moment that each baseline serves."""
        baselines = self._stage.baselines()
        times = sorted(timed.at_us for steps in arrived.lives.values() for timed in steps)
        moments = self._chance.sample(times, _MOMENTS) + [found.settled_us for found in without_healed(baselines)]
        (view,) = [view for view in views(self._stage.pipeline) if view.name == "latest_item_state"]
        for moment in sorted(moments):
            manifest = for_moment(baselines, moment)
            inputs = ViewInputs(baseline=manifest.baseline if manifest else None, as_of_us=moment)
            state = select_statement(view, self._stage.pipeline, self._stage.names, inputs)
            rows = self._stage.ask(f"SELECT item_key, image, state_certain FROM ({state})")
            past = arrived.until(moment)
            source = f"from baseline {manifest.baseline_id}" if manifest else "from the first change"
            self._count(f"state as of {moment}, {source}", held.states(rows, past.ends(), past.undecidable()))

    def _count(self, what: str, differences: list[str]) -> None:
        self._differences += len(differences)
        self._tell(f"{what}: {len(differences)} differences" if differences else f"{what}: nothing differs")
        for difference in differences[:_SHOWN]:
            print(f"            {difference}", flush=True)

    def _tell(self, what: str) -> None:
        print(f"  {time.monotonic() - self._begun:6.1f} s  {what}", flush=True)

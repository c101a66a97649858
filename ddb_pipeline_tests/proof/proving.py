"""One proof: writes and deliveries in turn, then every view against what was written."""

from __future__ import annotations

import random
import time

from ddb_pipeline.baselines.choice import for_moment
from ddb_pipeline.local_aws import change_stream
from ddb_pipeline.local_aws.change_stream import StreamFaults
from ddb_pipeline.view_sql import ViewInputs, select_statement, views
from ddb_pipeline_tests.proof import delivered, held, typed, wrong_rules
from ddb_pipeline_tests.proof.delivered import Delivered
from ddb_pipeline_tests.proof.lives import World, living
from ddb_pipeline_tests.proof.stage import Stage

_SHOWN = 5
_MOMENTS = 4
_UNITS = ("millisecond", "second", "second")


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
        baselines = set(self._chance.sample(range(self._rounds), 2))
        for number in range(self._rounds):
            self._write(self._worst_faults() if number in {0, self._rounds - 1} else self._some_faults())
            self._tell(f"round {number + 1} of {self._rounds} is written")
            if number in baselines:
                self._tell(
                    f"baseline made; checks that failed: {', '.join(sorted(self._stage.run('baseline'))) or 'none'}"
                )
        self._stage.deliver()
        failed = self._stage.run("refresh")
        arrived = delivered.read(self._stage.ask, self._world.lives)
        steps = sum(len(life.steps) for life in self._world.lives)
        self._tell(
            f"{steps} changes arrived as {arrived.records} records; {len(arrived.undecidable())} keys cannot be told"
        )
        if late := self._stage.late_changes().changes:
            self._tell(f"{late} changes came too late for the baseline: the next one has to heal that")
            failed |= self._stage.run("baseline")
        self._count("checks", [f"{name} failed" for name in failed])
        self._count("changes", arrived.faults)
        same = self._stage.table() == living(self._world.lives)
        self._count("the table", [] if same else ["a scan of the table is not what was written"])
        for name, hold in held.VIEWS.items():
            self._count(name, hold(self._stage.ask, arrived))
        self._count("item columns", typed.item_columns(self._stage.ask, self._stage.item_columns()))
        self._hold_the_past(arrived)
        self._count("wrong rules", wrong_rules.uncaught(self._stage.ask, arrived))
        return self._differences

    def _worst_faults(self) -> StreamFaults:
        """Every change of a second at once, half of the records overtaken: what a wrong rule comes to at the end."""
        return StreamFaults(
            repeats=0.1, reorders=0.5, coarse_times=1, unit="second", window=100, seed=self._chance.randrange(10**9)
        )

    def _some_faults(self) -> StreamFaults:
        chance = self._chance
        return StreamFaults(
            repeats=chance.choice([0, 0.05, 0.3]),
            reorders=chance.choice([0, 0.1, 0.5]),
            coarse_times=chance.choice([0, 0.5, 1]),
            unit=chance.choice(_UNITS),
            window=chance.choice([2, 50, 200]),
            seed=chance.randrange(10**9),
        )

    def _write(self, faults: StreamFaults) -> None:
        """One round of writes under faults of its own."""
        chance = self._chance
        # a unit of coarse times begins with the faults: else a change would seem to come before an earlier one
        time.sleep(1 - time.time() % 1)
        change_stream.set_stream_faults(faults, self._stage.names.change_stream)
        self._stage.write_times_in(chance.choice(["MILLISECOND", "MICROSECOND"]))
        # several writes of an item within a unit of coarse times, so that they seem to be at once
        for _ in range(chance.choice([1, 2, 3])):
            self._world.write_round()
        if chance.random() < 0.5:
            change_stream.expire_items()
            self._world.expired()

    def _hold_the_past(self, arrived: Delivered) -> None:
        """The state as of some moments, from the newest baseline before each."""
        times = sorted(timed.at_us for steps in arrived.lives.values() for timed in steps)
        (view,) = [view for view in views(self._stage.pipeline) if view.name == "latest_item_state"]
        for moment in sorted(self._chance.sample(times, _MOMENTS)):
            manifest = for_moment(self._stage.baselines(), moment)
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

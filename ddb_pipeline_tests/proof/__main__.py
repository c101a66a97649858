"""`python -m ddb_pipeline_tests.proof`: random lives through the real path, each view held against them.

Writes go through DynamoDB's API; the stream repeats and reorders records and rounds their times; Firehose, the
converter, the crawl and the views are those of the pipeline, run by its own Dagster jobs.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from ddb_pipeline.local_aws import change_stream
from ddb_pipeline_tests.proof import delivered, held
from ddb_pipeline_tests.proof.lives import World, living
from ddb_pipeline_tests.proof.stage import Stage, stage

_SHOWN = 5


def main(arguments: list[str] | None = None) -> int:
    """Run the proof; 0 if nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m ddb_pipeline_tests.proof", description=__doc__)
    parser.add_argument("--lives", type=int, default=20_000, help="items, each with a life of its own (20000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each item is written to, about (5)")
    parser.add_argument("--seed", type=int, help="same seed, same writes; a new one by default, which is printed")
    chosen = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**9) if chosen.seed is None else chosen.seed
    print(f"{chosen.lives} lives, seed {seed}", flush=True)
    with stage() as started:
        wrong = prove(started, chosen.lives, chosen.rounds, seed)
    print(f"{chosen.lives} lives: {wrong} differences" if wrong else f"{chosen.lives} lives: nothing differs")
    return 1 if wrong else 0


def prove(started: Stage, lives: int, rounds: int, seed: int) -> int:
    """Write, deliver, refresh and compare; returns how many differences there were."""
    begun = time.monotonic()

    def tell(what: str) -> None:
        print(f"  {time.monotonic() - begun:6.1f} s  {what}", flush=True)

    world = World(started.client("dynamodb"), started.names.table, lives, seed)
    for number in range(rounds):
        world.write_round()
        change_stream.expire_items()
        world.expired()
        tell(f"round {number + 1} of {rounds} is written")
    started.deliver()
    started.run("refresh")
    arrived = delivered.read(started.ask, world.lives)
    steps = sum(len(life.steps) for life in world.lives)
    tell(f"{steps} changes arrived as {arrived.records} records; {len(arrived.undecidable())} keys cannot be told")
    scan = [] if started.table() == living(world.lives) else ["a scan of the table is not what was written"]
    faults = {"changes": arrived.faults, "the table": scan}
    faults |= {view: hold(started.ask, arrived) for view, hold in held.VIEWS.items()}
    for name, found in faults.items():
        tell(f"{name}: {len(found)} differences" if found else f"{name}: nothing differs")
        for difference in found[:_SHOWN]:
            print(f"            {difference}")
    return sum(map(len, faults.values()))


if __name__ == "__main__":
    sys.exit(main())

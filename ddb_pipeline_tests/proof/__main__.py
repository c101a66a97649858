"""`python -m ddb_pipeline_tests.proof`: random lives through the real path, each view held against them.

Writes go through DynamoDB's API; the stream repeats and reorders records and rounds their times; baselines are made in
between; Firehose, the converter, the crawl and the views are those of the pipeline, run by its own Dagster jobs.
"""

from __future__ import annotations

import argparse
import random
import sys

from ddb_pipeline_tests.lean_libraries import lighten, lighten_dagster
from ddb_pipeline_tests.proof.proving import Proof
from ddb_pipeline_tests.proof.stage import stage


def main(arguments: list[str] | None = None) -> int:
    """Run the proof; 0 if nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m ddb_pipeline_tests.proof", description=__doc__)
    parser.add_argument("--lives", type=int, default=10_000, help="items, each with a life of its own (10000)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds of one to three writes to each item, about (4)")
    parser.add_argument("--seed", type=int, help="same seed, same writes; a new one by default, which is printed")
    parser.add_argument(
        "--baseline", choices=["snapshot", "export"], default="snapshot", help="where baselines come from"
    )
    chosen = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**9) if chosen.seed is None else chosen.seed
    lighten()
    lighten_dagster()
    print(f"{chosen.lives} lives, baselines from {chosen.baseline}s, seed {seed}", flush=True)
    with stage(chosen.baseline) as started:
        wrong = Proof(started, chosen.lives, chosen.rounds, seed).run()
    print(
        f"{chosen.lives} lives: {wrong} differences" if wrong else f"{chosen.lives} lives: nothing differs", flush=True
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m ddb_pipeline_tests.benchmarks`: runs the benchmarks and prints each figure beside its rival or limit."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
PREFIX = "benchmark_"


def names() -> list[str]:
    """Every `benchmark_<name>.py` of this folder; it has a function `run` that yields figures."""
    return sorted(path.stem.removeprefix(PREFIX) for path in FOLDER.glob(f"{PREFIX}*.py"))


def known(name: str) -> str:
    if name not in names():
        raise argparse.ArgumentTypeError(f"no benchmark is named '{name}'; there are {', '.join(names())}")
    return name


def load(name: str):
    return importlib.import_module(f"{__package__}.{PREFIX}{name}")


def purpose(name: str) -> str:
    return (load(name).__doc__ or "").strip().splitlines()[0]


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m ddb_pipeline_tests.benchmarks",
        description="Runs the benchmarks. A figure is good for a comparison within its run alone.",
        epilog="\n".join(["benchmarks:", *(f"  {name:<12}{purpose(name)}" for name in names())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="*", type=known, metavar="NAME", help="only these; default: all")
    for name in parser.parse_args(arguments).name or names():
        print(f"\n{name}: {purpose(name)}", flush=True)
        started = time.monotonic()
        for figure in load(name).run():
            print(f"  {figure}", flush=True)
        print(f"  ({time.monotonic() - started:.0f} s in all)")


if __name__ == "__main__":
    sys.exit(main())

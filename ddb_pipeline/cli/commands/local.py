"""The commands `local up`, `local status`, `local down` and `local load`."""

from __future__ import annotations

from pathlib import Path

import click

from ddb_pipeline.cli.commands.options import PORT, examples, pipeline_option


@click.group()
def local() -> None:
    """Start, fill and stop an AWS on this machine.

    It listens on loopback only, and nothing leaves the machine.
    """


@local.command(
    epilog=examples(
        "ddb-pipeline local up",
        "ddb-pipeline local up --port 4578 --yes",
        "ddb-pipeline local up --state ~/my-local-aws",
        "ddb-pipeline local up --stream-faults repeats=0.05,reorders=0.2,seed=7",
        "ddb-pipeline local up --fault throttle,service=s3,rate=0.1 --fault fail,service=glue,count=3",
    )
)
@click.option("--port", default=None, type=PORT, help="Port on 127.0.0.1.  [default: 4577]")
@click.option("--yes", is_flag=True, help="Overwrite a .env of other content without asking.")
@click.option("--expire-every", default=10.0, show_default=True, type=click.FloatRange(0), metavar="SECONDS",
              help="How often items whose time to live has passed are deleted; 0 is never.")  # fmt: skip
@click.option("--stream-faults", default="", metavar="FAULTS",
              help="What change streams are to do wrong: rates of repeats, reorders, late, losses, coarse_times; "
              "late_seconds; unit of coarse times (millisecond, second, minute); window of reordering in records; "
              "seed.")  # fmt: skip
@click.option("--fault", "faults", multiple=True, metavar="FAULT",
              help="What is to go wrong with requests once it is up, each with an option of its own: throttle, fail, "
              "expire, stall, cut or kill, then of what, how often and the like (docs/local-aws.md).")  # fmt: skip
@click.option("--state", default=None, metavar="DIRECTORY", type=click.Path(file_okay=False, path_type=Path),
              help="Keep tables, streams, objects, catalog and stacks there, and go on with those.")  # fmt: skip
def up(
    *, port: int | None, yes: bool, expire_every: float, stream_faults: str, faults: tuple[str, ...], state: Path | None
) -> None:
    """Start local AWS with the stack until Ctrl-C.

    Starts it, deploys the stack to it, writes .env, and serves. Then, in another terminal: `ddb-pipeline local load`
    and `dagster dev`.
    """
    from ddb_pipeline.cli.local import run_up

    run_up(
        port=port,
        overwrite=yes,
        expiry_seconds=expire_every or None,
        stream_faults=stream_faults,
        faults=faults,
        state=state,
    )


@local.command(epilog=examples("ddb-pipeline local status"))
def status() -> None:
    """Say whether local AWS runs here, and what is in it."""
    from ddb_pipeline.cli.local import run_status

    run_status()


@local.command(epilog=examples("ddb-pipeline local down"))
def down() -> None:
    """Stop the local AWS of this folder.

    Its tables and objects are gone then; .env and Dagster's history stay.
    """
    from ddb_pipeline.cli.local import run_down

    run_down()


@local.command(epilog=examples("ddb-pipeline local load", "ddb-pipeline local load --items 1000 --seed 7"))
@click.option("--items", default=100, show_default=True, type=click.IntRange(1, 1_000_000), help="Persons to insert.")
@click.option("--seed", default=None, type=int, help="Same seed, same persons. Random when not given.")
@pipeline_option("Pipeline whose table is filled")
def load(items: int, seed: int | None, pipeline_name: str | None) -> None:
    """Insert, change and delete fake persons.

    Inserts them through the stack's item loader, which also changes some of them and deletes a few.
    """
    from ddb_pipeline.cli.local import run_load

    run_load(items=items, seed=seed, pipeline_name=pipeline_name)

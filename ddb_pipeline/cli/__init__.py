"""The command `ddb-pipeline`: what a developer types. The only part besides `local_aws` that knows of local AWS."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.declaration import DeclarationError
from ddb_pipeline.errors import PipelineError


class _Commands(click.Group):
    """A group whose known errors are one line on stderr and exit 1; Ctrl-C is exit 130. Never a traceback."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except (UserError, DeclarationError, PipelineError) as error:
            click.echo(f"ddb-pipeline: {error}", err=True)
            sys.exit(1)
        except OSError as error:
            if error.filename is None:
                raise  # no file of the user's: a defect, or a reader of our output that went away
            click.echo(f"ddb-pipeline: {error.filename}: {error.strerror}: make it usable, or remove it", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            sys.exit(130)


def _examples(*commands: str) -> str:
    """The end of a help page; the mark keeps click from filling the lines."""
    return "\n".join(("\b", "Examples:" if len(commands) > 1 else "Example:", *(f"  {line}" for line in commands)))


_PORT = click.IntRange(1, 65535)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_examples(
        "ddb-pipeline demo        # the whole path, once; needs no AWS account",
        "ddb-pipeline dev         # the same with live traffic and the Dagster UI",
        "ddb-pipeline local up    # local AWS alone",
    ),
)
@click.version_option(package_name="ddb-change-analytics")
def main() -> None:
    """Answer in SQL what a DynamoDB table holds now, what changed, and when."""


@main.command(epilog=_examples("ddb-pipeline check", "DDB_PIPELINE_FILE=other/pipeline.toml ddb-pipeline check"))
def check() -> None:
    """Say whether pipeline.toml is right, and how baselines stand.

    Baselines are looked at where a stage is configured: the newest one, its age, and which changes came too late for
    it, which takes a query where objects have been stored since.
    """
    from ddb_pipeline.declaration import load_declaration

    declaration = load_declaration()
    click.echo(f"{declaration.path}: right")
    for pipeline in declaration.pipelines.values():
        keys = ", ".join(f"{key.name} ({key.type})" for key in pipeline.key_attributes)
        click.echo(f"  pipeline {pipeline.name}: key {keys}")
        if pipeline.baseline != "none":
            from ddb_pipeline.cli.baseline_report import baseline_sentences

            for sentence in baseline_sentences(declaration, pipeline):
                click.echo(f"    {sentence}")
    for stage in declaration.stages.values():
        kept = "data kept" if stage.keep_data else "data goes with the stack"
        click.echo(f"  stage {stage.name}: automation {stage.automation}, measure {stage.measure}, {kept}")


@main.command(epilog=_examples("ddb-pipeline demo", "ddb-pipeline demo --items 1000 --seed 7"))
@click.option("--directory", default=".demo", show_default=True, help="Where the report and the run's files go.")
@click.option("--items", default=120, show_default=True, type=click.IntRange(20, 5000), help="Persons to insert.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same persons.")
def demo(directory: str, items: int, seed: int) -> None:
    """Run the whole path on this machine, once, and print the answers.

    Starts an embedded AWS, deploys the stack, writes changes to DynamoDB, lets a real Dagster daemon crawl and make the
    views, asks them in SQL, and compares with the table. Exits 0 only if nothing differs. Leaves nothing running.
    """
    from ddb_pipeline.cli.demo import run_demo

    run_demo(directory=directory, items=items, seed=seed)


@main.command(epilog=_examples("ddb-pipeline dev", "ddb-pipeline dev --port 3001 --local-aws-port 4578"))
@click.option("--port", default=3000, show_default=True, type=_PORT, help="Port of the Dagster UI.")
@click.option("--local-aws-port", default=None, type=_PORT, help="Port of local AWS.  [default: 4577]")
@click.option("--changes-per-second", default=5, show_default=True, type=click.IntRange(0, 200), help="New persons.")
def dev(port: int, local_aws_port: int | None, changes_per_second: int) -> None:
    """Run local AWS with live traffic and the Dagster UI, until Ctrl-C."""
    from ddb_pipeline.cli.dev import run_dev

    run_dev(ui_port=port, local_aws_port=local_aws_port, changes_per_second=changes_per_second)


@main.command(
    epilog=_examples(
        "ddb-pipeline query 'SELECT * FROM change_counts ORDER BY changed_hour'",
        "ddb-pipeline query 'SELECT count(*) FROM latest_item_state WHERE state_certain'",
        "ddb-pipeline query --as-of 2026-11-01T12:00Z",
        """ddb-pipeline query "SELECT json_extract_scalar(item, '$.person.title'),""",
        """                           count(*) FROM latest_item_state GROUP BY 1\"""",
    )
)
@click.argument("sql", required=False)
@click.option("--as-of", help="Ask the views as they stood then, such as 2026-11-01T12:00Z; without SQL: all items.")
@click.option("--pipeline", "pipeline_name", help="Pipeline whose database is asked; needed when there are several.")
@click.option("--rows", default=50, show_default=True, type=click.IntRange(1, 100_000), help="Rows to print at most.")
def query(sql: str | None, as_of: str | None, pipeline_name: str | None, rows: int) -> None:
    """Ask Athena on the configured stage, and print the rows."""
    from ddb_pipeline.cli.query import run_query

    run_query(sql, pipeline_name=pipeline_name, rows=rows, as_of=as_of)


@main.group()
def local() -> None:
    """Start, fill and stop an AWS on this machine.

    It listens on loopback only, and nothing leaves the machine.
    """


@local.command(
    epilog=_examples(
        "ddb-pipeline local up",
        "ddb-pipeline local up --port 4578 --yes",
        "ddb-pipeline local up --state ~/my-local-aws",
        "ddb-pipeline local up --stream-faults repeats=0.05,reorders=0.2,seed=7",
    )
)
@click.option("--port", default=None, type=_PORT, help="Port on 127.0.0.1.  [default: 4577]")
@click.option("--yes", is_flag=True, help="Overwrite a .env of other content without asking.")
@click.option("--expire-every", default=10.0, show_default=True, type=click.FloatRange(0), metavar="SECONDS",
              help="How often items whose time to live has passed are deleted; 0 is never.")  # fmt: skip
@click.option("--stream-faults", default="", metavar="FAULTS",
              help="What change streams are to do wrong: rates of repeats, reorders, late, losses, coarse_times; "
              "late_seconds; unit of coarse times (millisecond, second, minute); window of reordering in records; "
              "seed.")  # fmt: skip
@click.option("--state", default=None, metavar="DIRECTORY", type=click.Path(file_okay=False, path_type=Path),
              help="Keep tables, streams, objects, catalog and stacks there, and go on with those.")  # fmt: skip
def up(port: int | None, yes: bool, expire_every: float, stream_faults: str, state: Path | None) -> None:
    """Start local AWS with the stack until Ctrl-C.

    Starts it, deploys the stack to it, writes .env, and serves. Then, in another terminal: `ddb-pipeline local load`
    and `dagster dev`.
    """
    from ddb_pipeline.cli.local import run_up

    run_up(port=port, overwrite=yes, expiry_seconds=expire_every or None, stream_faults=stream_faults, state=state)


@local.command(epilog=_examples("ddb-pipeline local status"))
def status() -> None:
    """Say whether local AWS runs here, and what is in it."""
    from ddb_pipeline.cli.local import run_status

    run_status()


@local.command(epilog=_examples("ddb-pipeline local down"))
def down() -> None:
    """Stop the local AWS of this folder.

    Its tables and objects are gone then; .env and Dagster's history stay.
    """
    from ddb_pipeline.cli.local import run_down

    run_down()


@local.command(epilog=_examples("ddb-pipeline local load", "ddb-pipeline local load --items 1000 --seed 7"))
@click.option("--items", default=100, show_default=True, type=click.IntRange(1, 1_000_000), help="Persons to insert.")
@click.option("--seed", default=None, type=int, help="Same seed, same persons. Random when not given.")
@click.option("--pipeline", "pipeline_name", help="Pipeline whose table is filled; needed when there are several.")
def load(items: int, seed: int | None, pipeline_name: str | None) -> None:
    """Insert, change and delete fake persons.

    Inserts them through the stack's item loader, which also changes some of them and deletes a few.
    """
    from ddb_pipeline.cli.local import run_load

    run_load(items=items, seed=seed, pipeline_name=pipeline_name)

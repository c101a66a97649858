"""The command `ddb-pipeline`: what a developer types. The only part besides `local_aws` that knows of local AWS."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ddb_pipeline.cli.commands import COMMANDS
from ddb_pipeline.cli.commands.options import examples
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
            advice = "make it usable, or remove it" if Path(error.filename).exists() else "see that it can be made"
            click.echo(f"ddb-pipeline: {error.filename}: {error.strerror}: {advice}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            sys.exit(130)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples(
        "ddb-pipeline demo        # the whole path, once; needs no AWS account",
        "ddb-pipeline dev         # the same with live traffic and the Dagster UI",
        "ddb-pipeline local up    # local AWS alone",
    ),
)
@click.version_option(package_name="ddb-change-analytics")
def main() -> None:
    """Answer in SQL what a DynamoDB table holds now, what changed, and when."""


for _command in COMMANDS:
    main.add_command(_command)

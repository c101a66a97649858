"""The commands `deploy`, `diff`, `destroy`, `bootstrap`, `env` and `verify`: the stacks of a stage on AWS."""

from __future__ import annotations

import click

from ddb_pipeline.cli.commands.options import examples, pipeline_option, stage_option

# what follows the stage goes to the CDK's command line as it is, such as --revert-drift
_cdk_options = click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[CDK OPTIONS]")
_WITH_CDK_OPTIONS = {"ignore_unknown_options": True}


@click.command(
    context_settings=_WITH_CDK_OPTIONS,
    epilog=examples(
        "ddb-pipeline deploy --stage dev",
        "ddb-pipeline deploy --stage dev --require-approval never",
        "ddb-pipeline deploy --stage dev --revert-drift",
    ),
)
@stage_option
@click.option("--canary/--no-canary", default=True, show_default=True, help="Write an item, see it arrive, delete it.")
@_cdk_options
def deploy(stage: str, canary: bool, options: tuple[str, ...]) -> None:
    """Deploy a stage, see a change arrive, write .env.

    Runs `cdk deploy` for all stacks of the stage, writes an item to each table that they made until it is in S3 and
    deletes it again, and puts the stage into .env, so that `dagster dev` works at once. Other options go to the CDK.
    """
    from ddb_pipeline.cli.deploy import run_deploy

    run_deploy(stage, options, canary=canary)


@click.command(context_settings=_WITH_CDK_OPTIONS, epilog=examples("ddb-pipeline diff --stage dev"))
@stage_option
@_cdk_options
def diff(stage: str, options: tuple[str, ...]) -> None:
    """Say what a deployment of a stage would change. Other options go to `cdk diff`."""
    from ddb_pipeline.cli.deploy import run_diff

    run_diff(stage, options)


@click.command(context_settings=_WITH_CDK_OPTIONS, epilog=examples("ddb-pipeline destroy --stage dev"))
@stage_option
@click.option("--yes", is_flag=True, help="Destroy without asking.")
@_cdk_options
def destroy(stage: str, yes: bool, options: tuple[str, ...]) -> None:
    """Take the stacks of a stage away.

    Says first what goes and what stays, and asks. Other options go to `cdk destroy`.
    """
    from ddb_pipeline.cli.deploy import run_destroy

    run_destroy(stage, options, yes=yes)


@click.command(context_settings=_WITH_CDK_OPTIONS, epilog=examples("ddb-pipeline bootstrap --stage dev"))
@stage_option
@_cdk_options
def bootstrap(stage: str, options: tuple[str, ...]) -> None:
    """Make what the CDK deploys with, once for an account and region. Other options go to `cdk bootstrap`."""
    from ddb_pipeline.cli.deploy import run_bootstrap

    run_bootstrap(stage, options)


@click.command(epilog=examples("ddb-pipeline env --stage dev"))
@stage_option
def env(stage: str) -> None:
    """Put a stage that is deployed into .env.

    Dagster and `ddb-pipeline query` work on it from then on. Your other lines stay; no secret is written.
    """
    from ddb_pipeline.cli.deploy import run_env

    run_env(stage)


@click.command(
    epilog=examples("ddb-pipeline verify --stage verify", "ddb-pipeline verify --stage verify --keep"),
)
@stage_option
@pipeline_option("Pipeline that is verified")
@click.option("--keep", is_flag=True, help="Leave the stage there, to look at it. It costs until it is destroyed.")
def verify(stage: str, pipeline_name: str | None, keep: bool) -> None:
    """Run the whole path on AWS, once, and report.

    Deploys a stage that is not there yet, loads 1,000 items with updates and deletes, crawls twice across an hour,
    makes every view, compares with a scan, looks at what AWS does not document, writes a report that can be shown to
    anybody, and destroys the stage, also after a failure. Takes up to an hour and a half, and about a dollar.
    """
    from ddb_pipeline.cli.verify import run_verify

    run_verify(stage, pipeline_name=pipeline_name, keep=keep)

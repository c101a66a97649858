"""The CDK app: `pipeline.toml` in, one CloudFormation template per pipeline and stage out.

`python -m infra_cdk.app` needs no AWS account, network, Docker or Node. The CDK command line runs the same
(cdk.json), and `ddb-pipeline local up` calls `synthesize`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from ddb_pipeline.declaration import Declaration, DeclarationError, Stage, load_declaration

if TYPE_CHECKING:
    from aws_cdk import App
    from aws_cdk.cx_api import CloudAssembly

SETTINGS = Path(__file__).with_name("cdk.json")
DEFAULT_OUTPUT = "cdk.out"
OUTPUT_VARIABLE = "CDK_OUTDIR"
"""Set by the CDK command line when it runs this app."""
STAGE_CONTEXT = "stage"
"""Context key of the one stage that is wanted: `cdk ... -c stage=dev`."""

EPILOG = """
\b
Examples:
  python -m infra_cdk.app                                   all stages, into cdk.out
  python -m infra_cdk.app --stage local --output assembly   one stage, elsewhere
  cd infra_cdk && npx aws-cdk@2.1148.1 deploy --all -c stage=dev
"""


def synthesize(declaration: Declaration, output_directory: Path | str, stages: Sequence[str] | None = None) -> Path:
    """Write a cloud assembly: templates, assets and their manifest.

    Args:
        declaration: Pipelines and stages.
        output_directory: Where to; made if it does not exist.
        stages: Names of the stages. By default the one that the CDK's context key `stage` names, else all.

    Returns:
        The directory of the assembly.

    Raises:
        DeclarationError: A stage of that name is not declared.
    """
    return Path(_assembly(declaration, output_directory, stages).directory)


def _assembly(declaration: Declaration, output_directory: Path | str, names: Sequence[str] | None) -> CloudAssembly:
    return make_app(declaration, output_directory, names).synth()


def make_app(declaration: Declaration, output_directory: Path | str, names: Sequence[str] | None = None) -> App:
    """Make the CDK app, for who wants to add to it before it is synthesized: rules that it is held to, say.

    Args:
        declaration: Pipelines and stages.
        output_directory: Where the assembly goes.
        names: Names of the stages; as in `synthesize`.

    Raises:
        DeclarationError: A stage of that name is not declared.
    """
    stages = _stages(declaration, names)
    # Not before it is needed: importing the CDK starts Node and takes a second, which --help and a wrong
    # pipeline.toml should not cost.
    from aws_cdk import App

    from infra_cdk.stack import PipelineStack

    app = App(
        outdir=str(output_directory),
        # only the CDK command line reads cdk.json by itself; what it passes on wins over this
        context=json.loads(SETTINGS.read_text(encoding="utf-8"))["context"],
        analytics_reporting=False,
    )
    asked = app.node.try_get_context(STAGE_CONTEXT)
    if names is None and asked is not None:
        stages = _stages(declaration, [str(asked)])
    for stage in stages:
        for pipeline in declaration.pipelines.values():
            PipelineStack(app, pipeline=pipeline, stage=stage)
    return app


def _stages(declaration: Declaration, names: Sequence[str] | None) -> list[Stage]:
    return [declaration.stage(name) for name in dict.fromkeys(declaration.stages if names is None else names)]


@click.command(epilog=EPILOG)
@click.option("--stage", "stages", multiple=True, metavar="NAME", help="Only this stage; repeatable. Default: all.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Directory of the assembly. Default: {DEFAULT_OUTPUT} in the working directory.",
)
def main(stages: tuple[str, ...], output: Path | None) -> None:
    """Write the CloudFormation templates of every pipeline and stage in pipeline.toml."""
    output_of_cdk = os.environ.get(OUTPUT_VARIABLE)
    try:
        assembly = _assembly(load_declaration(), output or output_of_cdk or DEFAULT_OUTPUT, stages or None)
    except DeclarationError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        if error.name not in {"aws_cdk", "constructs"}:
            raise
        _fail("the AWS CDK is not installed: run pip install -c constraints.txt -e '.[infra]'")
    if not output_of_cdk:
        for stack in assembly.stacks:
            click.echo(f"{stack.stack_name}  {stack.template_full_path}")


def _fail(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()

"""The command `check`."""

from __future__ import annotations

import click

from ddb_pipeline.cli.commands.options import examples


@click.command(epilog=examples("ddb-pipeline check", "DDB_PIPELINE_FILE=other/pipeline.toml ddb-pipeline check"))
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
        existing = {name: pipeline.existing_table.of(name) for name in declaration.stages}
        for name, table in existing.items():
            if table is not None:
                click.echo(f"    stage {name} streams the existing table {table}")
        if pipeline.baseline == "export" and any(existing.values()):
            click.echo("    baselines are exports: an existing table needs point-in-time recovery, which you switch on")
        if pipeline.baseline != "none":
            from ddb_pipeline.cli.baseline_report import baseline_sentences

            for sentence in baseline_sentences(declaration, pipeline):
                click.echo(f"    {sentence}")
    for stage in declaration.stages.values():
        kept = "data kept" if stage.keep_data else "data goes with the stack"
        click.echo(f"  stage {stage.name}: automation {stage.automation}, measure {stage.measure}, {kept}")

"""The job `<pipeline>_repair`: the repair, for whoever lives in the Dagster UI."""

from dagster import Config, JobDefinition, MetadataValue, OpExecutionContext, Output, in_process_executor, job, op
from pydantic import Field

from ddb_pipeline.assets.common import LIMITED_RUN, failing_plainly
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.refreshes import refresh_job_name
from ddb_pipeline.repair.findings import Outcome
from ddb_pipeline.repair.repairing import repair
from ddb_pipeline.resources.aws import PipelineAwsResource


class RepairConfig(Config):
    """What a run of the repair is told in the launchpad."""

    dry_run: bool = Field(default=False, description="Only say what is wrong and what a repair would do.")
    every_view: bool = Field(default=False, description="Make every view again, whatever it says.")


def repair_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that repairs a pipeline."""
    return f"{pipeline.name}_repair"


def repair_job(pipeline: Pipeline) -> JobDefinition:
    """Return the job that repairs a pipeline."""

    @op(name=f"{pipeline.name}_find_and_mend", description="Looks at tables, hours, baselines and views in this order.")
    def find_and_mend(context: OpExecutionContext, config: RepairConfig, aws: PipelineAwsResource) -> Output[None]:
        def note(outcome: Outcome) -> None:
            (context.log.info if outcome.is_mended else context.log.warning)(outcome.sentence)

        with failing_plainly():
            outcomes = repair(
                aws,
                pipeline.name,
                dry_run=config.dry_run,
                every_view=config.every_view,
                note=note,
                progress=context.log.info,
            )
        left = [outcome for outcome in outcomes if not outcome.is_mended]
        report = "\n".join(f"- {outcome.sentence}" for outcome in outcomes)
        return Output(
            None,
            metadata={
                "found": len(outcomes),
                "mended": len(outcomes) - len(left),
                "left": len(left),
                "report": MetadataValue.md(report or "Nothing is wrong."),
            },
        )

    @job(
        name=repair_job_name(pipeline),
        executor_def=in_process_executor,
        tags=LIMITED_RUN,
        description="Brings back what somebody dropped or changed: tables, hours and baselines in the catalog, views. "
        f"No raw object is touched. Launch {refresh_job_name(pipeline)} afterwards. See docs/repair.md.",
    )
    def repaired() -> None:
        find_and_mend()

    return repaired

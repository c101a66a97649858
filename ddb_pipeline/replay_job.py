"""The job that puts records which could not be delivered on the stream again."""

from typing import Any

from dagster import Config, JobDefinition, MetadataValue, OpExecutionContext, TableRecord, job, op
from pydantic import Field

from ddb_pipeline.arrivals import longest_delivery
from ddb_pipeline.assets.common import LIMITED_RUN, RETRY_TRANSIENT, failing_plainly
from ddb_pipeline.assets.failed_deliveries import failure_events, known_hours, replay_job_name
from ddb_pipeline.checks.deliveries import failed_check_key, failed_verdict
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.failed_deliveries.looking import look
from ddb_pipeline.failed_deliveries.replay import MOST_ALLOWED, MOST_REPLAYS, Replay, Replayed
from ddb_pipeline.resources.aws import PipelineAwsResource

_STAYED_TOLD = 50


class ReplayConfig(Config):
    """What a run may do; the defaults fit."""

    most_replays: int = Field(
        default=MOST_REPLAYS,
        ge=1,
        le=MOST_ALLOWED,
        description="A record that was put on the stream as often as this, and failed each time, stays. Raise it when "
        "the cause is mended after that many attempts.",
    )
    most_objects: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Objects that this run replays at most, the oldest first; those that stay do not count.",
    )


def replay_job(pipeline: Pipeline) -> JobDefinition:
    """Return the job of a pipeline."""

    @op(
        name=f"{pipeline.name}_put_records_again",
        description="Puts the records of failed deliveries on the stream, and tags each object with its receipt.",
        retry_policy=RETRY_TRANSIENT,
    )
    def put_records_again(context: OpExecutionContext, config: ReplayConfig, aws: PipelineAwsResource) -> None:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            failed, known = deployment.failed_deliveries, known_hours(context.instance, pipeline)
            # all receipts are read: what stays or is settled must not count against what may be replayed
            longest = longest_delivery(deployment.stage.stream_retention_hours)
            found = look(failed, known, longest_delivery=longest)
            replay = Replay(
                failed,
                deployment.change_stream,
                run_id=context.run_id,
                most_replays=config.most_replays,
                most_objects=config.most_objects,
                note=context.log.info,
            )
            done = replay.run(one.found for one in found.open)
            after = look(failed, known, longest_delivery=longest)
            for event in failure_events(context.instance, pipeline, failed, after):
                context.log_event(event)
            for evaluation in failed_verdict(deployment, after).news(failed_check_key(pipeline), context.instance):
                context.instance.report_runless_asset_event(evaluation)
        _tell(context, done)

    @job(
        name=replay_job_name(pipeline),
        tags=LIMITED_RUN,
        description="Puts records that Firehose could not deliver on the Kinesis stream again, so that they take the "
        "normal path. Mend the cause first: a record that fails again comes back, and stays after three times. "
        "Harmless when repeated.",
    )
    def replay_failed_deliveries() -> None:
        put_records_again()

    return replay_failed_deliveries


def _tell(context: OpExecutionContext, done: Replayed) -> None:
    context.log.info(
        "%d records of %d objects are on the stream again%s",
        done.records,
        len(done.objects),
        f"; {done.waiting} objects wait: run the job again" if done.waiting else "",
    )
    for key, reason in done.stayed.items():
        context.log.warning("%s stays: %s", key, reason)
    metadata: dict[str, Any] = {
        "objects_replayed": len(done.objects),
        "records_replayed": done.records,
        "objects_waiting": done.waiting,
        "objects_that_stay": len(done.stayed),
    }
    if stayed := list(done.stayed.items())[:_STAYED_TOLD]:
        records = [TableRecord({"object": key, "reason": reason}) for key, reason in stayed]
        metadata["why_they_stay"] = MetadataValue.table(records)
    context.add_output_metadata(metadata)

"""The stage of the proof: local AWS with one table, and Dagster's own jobs run against it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import time_machine
from dagster import AssetKey, DagsterInstance, JobDefinition, RepositoryDefinition

from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.item_attributes import remembered_columns
from ddb_pipeline.baseline_making.late import LateChanges, late_changes
from ddb_pipeline.baselines import BaselineSource
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.checks.problems import PROBLEMS_CHECK
from ddb_pipeline.checks.repeats import REPEATS_CHECK
from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.table_scan import scan_items
from ddb_pipeline.declaration import FILE_VARIABLE, Pipeline, load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.item_columns import ItemColumn
from ddb_pipeline.local_aws import change_stream, delivery
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline_tests.deployed import Deployed, local_stage, wait_until
from ddb_pipeline_tests.jobs import with_the_state_alone

PIPELINE = "lives"
MARGIN_SECONDS = 10
"""Longer than a record of the proof is late as a rule; those that are later still, the next baseline has to heal."""

_DECLARATION = """
[pipelines.{pipeline}]
partition_key = {{ name = "pk", type = "S" }}
time_to_live_attribute = "expires_at"
start_date = 2026-11-01
baseline = "{baseline}"

[stages.local]
buffer_seconds = 1
arrivals_interval_seconds = 5
automation = "stopped"
measure = "never"
keep_data = false
confirm_data_loss = "local"
baseline_margin_seconds = {margin}
"""
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Stage:
    """What the proof does with its stage: write, deliver, run jobs, ask."""

    def __init__(
        self,
        deployed: Deployed,
        instance: DagsterInstance,
        loaded: RepositoryDefinition,
        clock: time_machine.Traveller,
    ) -> None:
        self._deployed = deployed
        self._instance = instance
        self._loaded = loaded
        self._clock = clock
        self._aws = PipelineAwsResource(declaration_file=str(deployed.declaration.path))

    @property
    def names(self) -> PublishedNames:
        """Names of what is deployed."""
        return self._deployed.names[PIPELINE]

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline as it is declared."""
        return self._deployed.declaration.pipelines[PIPELINE]

    def client(self, service: str) -> Any:
        """A boto3 client of the stage."""
        return self._deployed.client(service)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._deployed.ask(PIPELINE, sql)

    def table(self) -> dict[str, Any]:
        """The items that a scan of the table finds, by the text of their key."""
        return scan_items(self.client("dynamodb"), self.names.table)

    def baselines(self) -> list[Manifest]:
        """The verified baselines."""
        with self._aws.deployment(PIPELINE) as deployment:
            return list(deployment.baselines.manifests())

    def late_changes(self) -> LateChanges:
        """The changes that the newest baseline lacks, as the check of that name counts them."""
        with self._aws.deployment(PIPELINE) as deployment:
            return late_changes(deployment, newest(deployment.baselines.manifests()))

    def item_columns(self) -> tuple[ItemColumn, ...]:
        """The attributes that are columns of the views."""
        with self._aws.deployment(PIPELINE) as deployment:
            return remembered_columns(deployment)

    def write_times_in(self, precision: str) -> None:
        """Have change records carry their times in MILLISECOND or MICROSECOND from now on."""
        dynamodb, names = self.client("dynamodb"), self.names

        def destination() -> dict[str, Any]:
            answer = dynamodb.describe_kinesis_streaming_destination(TableName=names.table)
            return dict(answer["KinesisDataStreamDestinations"][0])

        found = destination()
        if found["ApproximateCreationDateTimePrecision"] == precision:
            return
        dynamodb.update_kinesis_streaming_destination(
            TableName=names.table,
            StreamArn=found["StreamArn"],
            UpdateKinesisStreamingConfiguration={"ApproximateCreationDateTimePrecision": precision},
        )
        wait_until(lambda: destination()["DestinationStatus"] == "ACTIVE", "the destination is active again")

    def put_clock_forward(self, seconds: float) -> None:
        """Let time pass for all that is in this process: local AWS, Dagster's jobs, the proof itself."""
        self._clock.shift(seconds)

    def deliver(self) -> None:
        """Let everything arrive that was held back, and wait until Firehose has delivered it."""
        change_stream.set_stream_faults(change_stream.StreamFaults())
        assert delivery.wait_until_delivered(300), "Firehose did not deliver everything"

    def deliver_what_is_not_late(self) -> None:
        """Wait until Firehose has delivered everything but the records that are late."""
        wait_until(lambda: not change_stream.is_overtaking(), "the stream is quiet")
        assert delivery.wait_until_delivered(300), "Firehose did not deliver everything"

    def run(self, job: str, *, state_alone: bool = False) -> set[str]:
        """Run a job of Dagster's in this process, as it is defined.

        Args:
            job: Its name, without the pipeline's.
            state_alone: Leave out the views that are not the state's: nobody asks them before they are made again.

        Returns:
            The names of the checks that failed, but for those that are to fail here: the stream repeats far more
            records than they let pass, and times that are rounded leave some items undecided.
        """
        name = f"{PIPELINE}_{job}"
        whole = self._loaded.get_job(name)
        loaded = with_the_state_alone(self._loaded, name, self.pipeline) if state_alone else whole
        return self._run(loaded, None) - {REPEATS_CHECK, PROBLEMS_CHECK}

    def crawl(self) -> None:
        """Run no more of the refresh than its crawl: the views stay as they are."""
        self._run(self._loaded.get_job(f"{PIPELINE}_refresh"), [AssetKey([PIPELINE, CHANGE_TABLE])])

    def _run(self, job: JobDefinition, assets: Sequence[AssetKey] | None) -> set[str]:
        result = job.execute_in_process(instance=self._instance, run_config=_QUIET, asset_selection=assets)
        return {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}


@contextmanager
def stage(baseline: BaselineSource) -> Iterator[Stage]:
    """Synthesize, start and deploy; all of it is gone afterwards.

    Args:
        baseline: Where baselines come from.
    """
    # the clock of this process alone: the functions of the stack, in processes of their own, ask for no time
    now = time_machine.travel(datetime.now(UTC))
    with now as clock, tempfile.TemporaryDirectory() as folder, DagsterInstance.ephemeral() as instance:
        file = Path(folder) / "pipeline.toml"
        file.write_text(_DECLARATION.format(pipeline=PIPELINE, baseline=baseline, margin=MARGIN_SECONDS))
        os.environ[FILE_VARIABLE] = str(file)
        declaration = load_declaration(file)
        assembly = local_stack.synthesize(declaration, Path(folder) / "cdk.out")
        with local_stage(declaration, assembly, Path(folder)) as deployed:
            os.environ |= local_stack.environment(deployed.endpoint)
            started = Stage(deployed, instance, build_definitions(declaration).get_repository_def(), clock)
            if baseline == "export":
                # an export is safe once the streaming destination has been seen active for a while
                started.run("refresh")
                started.put_clock_forward(MARGIN_SECONDS)
            yield started

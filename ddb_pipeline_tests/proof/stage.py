"""The stage of the proof: local AWS with one table, and Dagster's own jobs run against it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, RepositoryDefinition

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.table_scan import scan_items
from ddb_pipeline.declaration import FILE_VARIABLE, load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.local_aws import delivery
from ddb_pipeline.names import PublishedNames
from ddb_pipeline_tests.deployed import Deployed, local_stage

PIPELINE = "lives"
PIPELINES = Path(__file__).parent / "pipelines.toml"
_QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


class Stage:
    """What the proof does with its stage: write, deliver, run jobs, ask."""

    def __init__(self, deployed: Deployed, instance: DagsterInstance, loaded: RepositoryDefinition) -> None:
        self.deployed = deployed
        self._instance = instance
        self._loaded = loaded

    @property
    def names(self) -> PublishedNames:
        """Names of what is deployed."""
        return self.deployed.names[PIPELINE]

    def client(self, service: str) -> Any:
        """A boto3 client of the stage."""
        return self.deployed.client(service)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.deployed.ask(PIPELINE, sql)

    def table(self) -> dict[str, Any]:
        """The items that a scan of the table finds, by the text of their key."""
        return scan_items(self.client("dynamodb"), self.names.table)

    def deliver(self) -> None:
        """Wait until Firehose has delivered every record on the stream."""
        assert delivery.wait_until_delivered(300), "Firehose did not deliver everything"

    def run(self, job: str) -> None:
        """Run a job of Dagster's in this process, as it is defined; fails with the job."""
        result = self._loaded.get_job(f"{PIPELINE}_{job}").execute_in_process(
            instance=self._instance, run_config=_QUIET
        )
        assert result.success


@contextmanager
def stage() -> Iterator[Stage]:
    """Synthesize, start and deploy; all of it is gone afterwards."""
    declaration = load_declaration(PIPELINES)
    with tempfile.TemporaryDirectory() as folder, DagsterInstance.ephemeral() as instance:
        os.environ[FILE_VARIABLE] = str(PIPELINES)
        assembly = local_stack.synthesize(Path(folder) / "cdk.out")
        with local_stage(declaration, assembly, Path(folder)) as deployed:
            os.environ |= local_stack.environment(deployed.endpoint)
            yield Stage(deployed, instance, build_definitions(declaration).get_repository_def())

"""A pipeline that refreshes while AWS does wrong: written to, ticked and run as Dagster does it, held to its table."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import botocore.endpoint
import pytest
from dagster import (
    DagsterInstance,
    ExecuteInProcessResult,
    RepositoryDefinition,
    RetryPolicy,
    SensorResult,
    SkipReason,
    build_sensor_context,
)

from ddb_pipeline.assets import change_table, item_attributes, views
from ddb_pipeline.cli.table_scan import key_text, scan_items
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.local_aws.athena import backend
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.jobs import with_the_state_alone

PIPELINE = "persons"


@dataclass
class Scene:
    """The pipeline, and what happens to it. Other tests write to the same table: items of this one have its mark."""

    stage: Deployed
    loaded: RepositoryDefinition
    instance: DagsterInstance
    mark: str = field(default_factory=lambda: f"fault-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.names = self.stage.names[PIPELINE]
        self._glue = self.stage.client("glue")

    def client(self, service: str) -> Any:
        return self.stage.client(service)

    def write(self, items: int = 6) -> None:
        """Insert items, change some, delete one; returns when the first of them have been delivered."""
        dynamodb, table = self.client("dynamodb"), self.names.table
        begun = time.time()
        for number in range(items):
            key = {"pk": {"S": f"{self.mark}#{number}"}}
            dynamodb.put_item(TableName=table, Item={**key, "n": {"N": str(number)}})
            if number % 2:
                dynamodb.put_item(TableName=table, Item={**key, "n": {"N": str(number)}, "again": {"BOOL": True}})
        dynamodb.delete_item(TableName=table, Key={"pk": {"S": f"{self.mark}#0"}})
        wait_until(lambda: self._newest_object() >= begun - 1, "changes have been delivered", pause=0.1)

    def forget_hours(self) -> None:
        """Let the catalog lack every hour, so that the next refresh has to crawl."""
        table = {"DatabaseName": self.names.database, "TableName": self.names.change_table}
        values = [
            {"Values": partition["Values"]}
            for page in self._glue.get_paginator("get_partitions").paginate(**table)
            for partition in page["Partitions"]
        ]
        for first in range(0, len(values), 25):
            self._glue.batch_delete_partition(**table, PartitionsToDelete=values[first : first + 25])

    def forget_view(self) -> None:
        """Let there be no view, so that the next refresh has to make it."""
        for table in self._glue.get_tables(DatabaseName=self.names.database)["TableList"]:
            if table["Name"] == "latest_item_state":
                self._glue.delete_table(DatabaseName=self.names.database, Name=table["Name"])

    def tick(self) -> SensorResult | SkipReason:
        """One tick of the arrivals sensor, with no cursor."""
        resources = self.loaded.get_top_level_resources()
        context = build_sensor_context(self.instance, repository_def=self.loaded, resources=resources)
        result = self.loaded.get_sensor_def(f"{PIPELINE}_arrivals")(context)
        assert isinstance(result, SensorResult | SkipReason), result
        if isinstance(result, SensorResult):
            for event in result.asset_events:
                self.instance.report_runless_asset_event(event)
        return result

    def refresh(self, tags: dict[str, str] | None = None) -> ExecuteInProcessResult:
        """Run the refresh job, with the one view that is compared."""
        job = with_the_state_alone(self.loaded, f"{PIPELINE}_refresh", self.stage.declaration.pipelines[PIPELINE])
        return job.execute_in_process(instance=self.instance, raise_on_error=False, tags=tags)

    def crawls(self) -> list[str]:
        """Ids of all crawls that ever began."""
        found = self._glue.list_crawls(CrawlerName=self.names.crawler, MaxResults=1000)["Crawls"]
        return [crawl["CrawlId"] for crawl in found]

    def queries(self) -> list[dict[str, Any]]:
        """The newest queries of the workgroup, newest first."""
        athena = self.client("athena")
        ids = athena.list_query_executions(WorkGroup=self.names.workgroup, MaxResults=50)["QueryExecutionIds"]
        found = athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"] if ids else []
        return list(found)

    def assert_state_is_right(self) -> None:
        """Wait until `latest_item_state` says of this test's items what a scan of the table says, and is certain."""
        wait_until(lambda: self.differences() == [], f"the state equals the table: {self.differences()}", seconds=60)

    def differences(self) -> list[str]:
        table = {
            key: item for key, item in scan_items(self.client("dynamodb"), self.names.table).items() if self.mark in key
        }
        rows = self.stage.ask(
            PIPELINE, f"SELECT item_key, image, state_certain FROM latest_item_state WHERE pk LIKE '{self.mark}%'"
        )
        state = {key_text(json.loads(key)): json.loads(image) for key, image, _ in rows}
        return [
            *(f"{key} is not as in the table" for key in table if state.get(key) != table[key]),
            *(f"{key} is not in the table" for key in state if key not in table),
            *(f"{key} is not certain" for key, _, certain in rows if not certain),
        ]

    def _newest_object(self) -> float:
        pages = self.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.names.raw_bucket, Prefix=self.names.changes_prefix)
        times = [stored["LastModified"].timestamp() for page in found for stored in page.get("Contents", [])]
        return max(times, default=0.0)


def reasons(result: ExecuteInProcessResult) -> str:
    """What the failed steps of a run said."""
    return "\n".join(
        str(data.user_failure_data.description if data.user_failure_data else data.error)
        for event in result.all_events
        if event.is_step_failure and (data := event.step_failure_data)
    )


@contextmanager
def busy_athena(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No query begins: as if others took all the account's places."""
    free = threading.Event()

    def run_later(run: Callable[[Any], None], execution: Any) -> None:
        free.wait(60)
        run(execution)

    with monkeypatch.context() as patch:
        for engine in backend._engines:
            patch.setattr(engine._workers, "_run", partial(run_later, engine._workers._run))
        try:
            yield
        finally:
            free.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 and Dagster try again as often as ever, and pause hardly at all before they do."""

    class QuickTime:
        def __getattr__(self, name: str) -> Any:
            return getattr(time, name)

        @staticmethod
        def sleep(seconds: float) -> None:
            time.sleep(min(seconds, 0.02))

    monkeypatch.setattr(botocore.endpoint, "time", QuickTime())
    policy = change_table.RETRY_TRANSIENT
    quick = RetryPolicy(max_retries=policy.max_retries, delay=0.05)
    for module in (change_table, item_attributes, views):
        monkeypatch.setattr(module, "RETRY_TRANSIENT", quick)


@pytest.fixture
def scene(stage: Deployed, impatient: None) -> Iterator[Scene]:
    """The pipeline, with changes that have arrived in an hour that the catalog lacks."""
    loaded = build_definitions(stage.declaration).get_repository_def()
    with DagsterInstance.ephemeral() as instance:
        made = Scene(stage, loaded, instance)
        made.write()
        made.forget_hours()
        yield made

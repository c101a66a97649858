"""The job that makes a baseline is killed with SIGKILL at each of its steps; the next run finishes what it began.

Never is half a baseline to be seen, and nothing that AWS has begun is begun a second time.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from ddb_pipeline.baseline_making.in_use import ids_in_views
from ddb_pipeline.baselines import DATA_PREFIX
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.local_aws.change_stream.point_in_time import PointInTimeRecovery
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.faults.conftest import busy_athena, reasons
from ddb_pipeline_tests.faults.killing import Killer, Place, again, instance_on_disk
from ddb_pipeline_tests.faults.worker import with_these_assets_alone
from ddb_pipeline_tests.integration.baseline_stage import (
    OLD_ITEM,
    deliver,
    deployment,
    let_it_settle,
    make,
    manifests,
    place,
    remove,
    seen,
    stage,
    state,
    table,
    write,
)

__all__ = ["place", "stage"]

BASELINE = ("baseline",)

A_SNAPSHOT_IS_WRITTEN = (
    Place("it has noted what it begins", "s3.PutObject", done=True, assets=BASELINE),
    Place("Athena has its INSERT, and no note says so", "athena.StartQueryExecution", done=True, assets=BASELINE),
    Place("it waits for the INSERT", "athena.GetQueryExecution", skip=1, assets=BASELINE),
)
A_SNAPSHOT_IS_VERIFIED = Place("rows are counted", "athena.StartQueryExecution", done=True, assets=BASELINE)
A_MANIFEST_STANDS = Place("the manifest is written", "s3.PutObject", skip=1, done=True, assets=BASELINE)
ONE_IS_RETIRED = Place("an old one is known no more", "s3.DeleteObject", skip=2, done=True, assets=BASELINE)
AN_EXPORT_RUNS = (
    Place("DynamoDB exports, and no note says so", "dynamodb.ExportTableToPointInTime", done=True, assets=BASELINE),
    Place("it waits for the export", "dynamodb.DescribeExport", skip=1, assets=BASELINE),
)
AN_EXPORT_IS_CONVERTED = (
    Place("a file of the export was converted", "lambda.Invoke", done=True, assets=BASELINE),
    Place("the catalog has the exported items", "glue.CreatePartition", done=True, assets=BASELINE),
)


@pytest.fixture
def killer(stage: Deployed, tmp_path: Path) -> Iterator[Killer]:
    with instance_on_disk(tmp_path) as instance:
        yield Killer(stage, instance, tmp_path)


def test_a_snapshot_that_is_killed_wherever_it_is_is_finished_by_the_next_run(
    stage: Deployed, killer: Killer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, killed = uuid.uuid4().hex, None
    write(stage, "shots", mark, range(6), "there")
    let_it_settle()
    for _ in range(3):  # as many as are kept
        make(stage, "shots")
    remove(stage, "shots", mark, range(2))
    deliver(stage, "shots")
    let_it_settle()
    before, rows, inserted = seen(stage, "shots"), count_rows(stage), inserts(stage, "shots")

    with busy_athena(monkeypatch):
        for where in A_SNAPSHOT_IS_WRITTEN:
            killed = killer.kill("shots_baseline", where, killed)
    killed = killer.kill("shots_baseline", A_SNAPSHOT_IS_VERIFIED, killed)
    (begun,) = [pending.baseline_id for pending in pending_baselines("shots")]
    assert (seen(stage, "shots"), count_rows(stage)) == (before, rows), "nobody sees what was not verified"
    run(stage, killer.instance, "shots_refresh")
    assert begun not in ids_read(stage, "shots")
    assert state(stage, "shots") == table(stage, "shots")

    killed = killer.kill("shots_baseline", A_MANIFEST_STANDS, killed)
    assert manifests("shots")[-1].baseline_id == begun
    assert begun not in seen(stage, "shots")
    run(stage, killer.instance, "shots_refresh")
    assert begun in ids_read(stage, "shots") & seen(stage, "shots"), "whoever reads it registers it"
    assert state(stage, "shots") == table(stage, "shots")

    data = stored(stage, "shots")
    killed = killer.kill("shots_baseline", ONE_IS_RETIRED, killed)
    (retired,) = before - ids_known("shots")
    assert data <= stored(stage, "shots"), "its data is still there"
    run(stage, killer.instance, "shots_baseline", *BASELINE, after=killed)

    assert pending_baselines("shots") == []
    known = ids_known("shots")
    assert retired not in seen(stage, "shots")
    assert stored(stage, "shots") <= known, "of what is retired nothing is left"
    new = inserts(stage, "shots")[len(inserted) :]
    assert len(new) == len(set(new)) == len(known - before), "each was written once"
    assert state(stage, "shots") == table(stage, "shots")


def test_an_export_that_is_killed_wherever_it_is_is_finished_by_the_next_run(
    stage: Deployed, killer: Killer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, killed, goes_on = uuid.uuid4().hex, None, threading.Event()
    write(stage, "exports", mark, range(6), "there")
    make(stage, "exports")  # the next one need not wait until an export is safe
    remove(stage, "exports", mark, range(2))
    deliver(stage, "exports")
    before, inserted, exported = seen(stage, "exports"), inserts(stage, "exports"), exports_of(stage)
    run_export = PointInTimeRecovery._run

    def run_later(*arguments: Any) -> None:
        goes_on.wait(120)
        run_export(*arguments)

    with monkeypatch.context() as slow:
        slow.setattr(PointInTimeRecovery, "_run", run_later)
        for where in AN_EXPORT_RUNS:
            killed = killer.kill("exports_baseline", where, killed)
        goes_on.set()
    for where in AN_EXPORT_IS_CONVERTED:
        killed = killer.kill("exports_baseline", where, killed)
    assert seen(stage, "exports") == before
    run(stage, killer.instance, "exports_baseline", *BASELINE, after=killed)

    assert len(exports_of(stage)) == len(exported) + 1
    assert len(inserts(stage, "exports")) == len(inserted) + 1
    (made,) = seen(stage, "exports") - before
    assert made in ids_read(stage, "exports")
    assert state(stage, "exports") == table(stage, "exports")
    assert OLD_ITEM in state(stage, "exports").values()


def run(stage: Deployed, instance: DagsterInstance, job: str, *assets: str, after: str | None = None) -> None:
    """Run the steps of a job that make these assets and the view of the state."""
    whole = build_definitions(stage.declaration).get_repository_def().get_job(job)
    steps = with_these_assets_alone(whole, job.partition("_")[0], (*assets, "item_attributes", "latest_item_state"))
    result = steps.execute_in_process(instance=instance, raise_on_error=False, tags=again(after))
    assert result.success, reasons(result)


def pending_baselines(pipeline: str) -> list[Any]:
    with deployment(pipeline) as found:
        return found.baselines.pending()


def ids_known(pipeline: str) -> set[str]:
    return {manifest.baseline_id for manifest in manifests(pipeline)}


def ids_read(stage: Deployed, pipeline: str) -> set[str]:
    """Ids of the baselines that views start from, whether they are known or not."""
    with deployment(pipeline) as found:
        return ids_in_views(found, [*manifests(pipeline), *found.baselines.pending()])


def count_rows(stage: Deployed) -> list[tuple[Any, ...]]:
    return stage.ask("shots", "SELECT count(*) FROM baselines")


def stored(stage: Deployed, pipeline: str) -> set[str]:
    """Ids of the baselines of which S3 holds data."""
    pages = stage.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=stage.names[pipeline].raw_bucket, Prefix=DATA_PREFIX)
    keys = [one["Key"] for page in found for one in page.get("Contents", [])]
    return {key.split("baseline_id=")[1].partition("/")[0] for key in keys}


def inserts(stage: Deployed, pipeline: str) -> list[str]:
    """Statements that write a baseline, which name it; oldest first."""
    athena, texts = stage.client("athena"), []
    pages = athena.get_paginator("list_query_executions").paginate(WorkGroup=stage.names[pipeline].workgroup)
    for page in pages:
        found = athena.batch_get_query_execution(QueryExecutionIds=page["QueryExecutionIds"])["QueryExecutions"]
        texts += [query["Query"] for query in found]
    return [text for text in reversed(texts) if text.startswith("INSERT INTO")]


def exports_of(stage: Deployed) -> list[str]:
    """ARNs of all exports of the table; boto3 has no paginator for them."""
    dynamodb, more, found = stage.client("dynamodb"), dict[str, str](), list[str]()
    arn = dynamodb.describe_table(TableName=stage.names["exports"].table)["Table"]["TableArn"]
    while True:
        page = dynamodb.list_exports(TableArn=arn, **more)
        found += [export["ExportArn"] for export in page["ExportSummaries"]]
        if "NextToken" not in page:
            return found
        more = {"NextToken": page["NextToken"]}

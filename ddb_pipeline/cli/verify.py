"""`ddb-pipeline verify`: the whole path on a real account, once, with a report, and away again."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ddb_pipeline.arrivals import HOUR, hour_of
from ddb_pipeline.assets.common import MEASURE_TAG
from ddb_pipeline.assets.views import MEASURED_BY
from ddb_pipeline.checks.problems import PROBLEMS_CHECK
from ddb_pipeline.cli import cdk
from ddb_pipeline.cli.canary_watch import watch_arrivals
from ddb_pipeline.cli.catalog_safeguards import require_catalog_key
from ddb_pipeline.cli.choice import chosen_pipeline
from ddb_pipeline.cli.console import Steps, UserError, console
from ddb_pipeline.cli.deploy import Ready, deploy, destroy, prepare
from ddb_pipeline.cli.interrupts import terminated_as_interrupt
from ddb_pipeline.cli.place import deployed_stacks, require_bootstrap
from ddb_pipeline.cli.table_scan import changes_counted, differing_keys, distinct_keys, key_text, scan_items, state_rows
from ddb_pipeline.cli.verification.comparison import Agreement, Measured, compare, compare_first, compare_measured
from ddb_pipeline.cli.verification.evidence import Evidence
from ddb_pipeline.cli.verification.report import Report
from ddb_pipeline.cli.verification.writing import Writer
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.errors import STAGE_ADVICE, PipelineError
from ddb_pipeline.names import PROJECT
from ddb_pipeline.refreshes import refresh_job_name
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.settings import STAGE_VARIABLE
from ddb_pipeline.view_sql import views

DIRECTORY = ".verify"
"""Beside `pipeline.toml`: reports, and what the CDK printed."""
PERSONS = 1_000

_INTO_THE_HOUR = timedelta(seconds=30)
_AGREEMENT_SECONDS = 900
"""How long table and views may take to agree beside two buffers: changes are under way, items expire meanwhile."""

_ADVICE = replace(
    STAGE_ADVICE,
    denied="a verification writes items, invokes functions and scans the table, beside all that Dagster does: use the "
    "credentials of an administrator",
)

WaitUntil = Callable[[datetime], None]


def run_verify(
    stage: str, *, pipeline_name: str | None, keep: bool, persons: int = PERSONS, wait_until: WaitUntil | None = None
) -> None:
    """Deploy a stage, use it across an hour, compare and observe, report, destroy it.

    Args:
        stage: A stage that is not deployed yet, and whose data goes with it.
        pipeline_name: Which pipeline; None: the only one.
        keep: Whether the stage stays.
        persons: How many items the item loader inserts.
        wait_until: Lets time pass until a moment; None really waits.

    Raises:
        UserError: It cannot be done there, or something came out wrong; there is a report then.
        PipelineError: AWS is not reached, or refuses.
    """
    steps = Steps()
    with terminated_as_interrupt():
        ready = prepare(stage, steps)
        pipeline = _pipeline(ready, pipeline_name)
        _require_unused(ready)
        require_bootstrap(ready.place)
        require_catalog_key(ready.declaration, ready.place)
        folder = ready.declaration.path.parent / DIRECTORY
        folder.mkdir(exist_ok=True)
        report = Report(f"stage {stage}, pipeline {pipeline.name}", _facts(ready, pipeline, persons), steps.seconds)
        report.secrets = _secrets(ready)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        log = folder / f"cdk-{stamp}.log"
        file = folder / f"report-{stamp}.md"
        try:
            _Verification(ready, pipeline, report, steps, log).run(persons, wait_until or _wait_until)
        except KeyboardInterrupt:
            report.failure = "it was interrupted"
            console.print("[yellow]Interrupted.[/] A second Ctrl-C leaves the stage as it is.")
        except (UserError, PipelineError) as error:
            report.failure = str(error)
        finally:
            file.write_text(report.text(), encoding="utf-8")
            if not keep:
                _destroy(ready, report, steps, log)
                file.write_text(report.text(), encoding="utf-8")
    console.print(f"\n{report.text()}", markup=False)
    shown = os.path.relpath(file)
    console.print(f"Report: {shown} (no account, no credentials, no item is in it: attach it to an issue)")
    if keep:
        console.print(f"The stage stays, and costs: `ddb-pipeline destroy --stage {stage}` takes it away.")
    if not report.is_good:
        raise UserError(f"the verification of stage {stage} did not come out right: {report.failure or shown}")


def _destroy(ready: Ready, report: Report, steps: Steps, log: Path) -> None:
    """Destroy the stage. That it stays is a failure, and must not hide another one."""
    try:
        with steps.step("destroy", "Destroy the stage"):
            destroy(ready, log=log)
    except (UserError, PipelineError) as error:
        report.failure = f"{report.failure}; and {error}" if report.failure else str(error)


@dataclass(frozen=True)
class _Verification:
    """One verification.

    Attributes:
        ready: Where the stage is.
        pipeline: The pipeline.
        report: Takes what is found.
        steps: Tells of the steps.
        log: File for what the CDK prints.
    """

    ready: Ready
    pipeline: Pipeline
    report: Report
    steps: Steps
    log: Path

    def run(self, persons: int, wait_until: WaitUntil) -> None:
        """Deploy, write, crawl, compare and observe."""
        steps = self.steps
        with steps.step("deploy", f"Deploy the stage (its log: {os.path.relpath(self.log)})"):
            deploy(self.ready, ["--require-approval", "never"], self.log)
        canary = watch_arrivals(self.ready.declaration, self.ready.place, steps)[self.pipeline.name]
        resource = PipelineAwsResource(declaration_file=str(self.ready.declaration.path))
        with (
            _environment(self.ready),
            resource.deployment(self.pipeline.name) as deployment,
            self.ready.place.explained(_ADVICE),
        ):
            place = self.ready.place
            evidence = Evidence(deployment, datetime.now(UTC))
            writer = Writer(place.client("dynamodb"), place.client("lambda"), deployment.names, self.pipeline)
            with steps.step("first part", f"Write {persons // 2} persons, and items that ask a question"):
                writer.first_part(persons // 2)
            with steps.step("first refresh", "See the table in the views, after a first refresh"):
                # its second change may be too large for the stream: until it is deleted the views may lag behind
                compare_first(self.report, self._agree(deployment, ignoring=writer.key_text("large")))
            version, known = evidence.table_version(), deployment.hours_in_tables()
            is_crawled = not deployment.catalog.is_projected
            wait_until(hour_of(datetime.now(UTC)) + HOUR + _INTO_THE_HOUR)
            with steps.step("second part", f"Write {persons - persons // 2} more, change and delete"):
                writer.second_part(persons - persons // 2)
            with steps.step("second hour", "Wait until S3 holds an object of the next hour"):
                self._wait_for_hour(deployment, known)
            answers: dict[str, str] = {}
            if is_crawled:
                with steps.step("second crawl", "Crawl the next hour, and ask the views that are there"):
                    deployment.crawler.crawl(deployment.names.crawler, on_running="wait")
                    answers = evidence.view_answers()
            bounds = writer.bounds(canary.writes)
            with steps.step("second refresh", "See the table and all changes in the views"):
                agreement = self._agree(deployment, least=bounds.least)
            with steps.step("measure", "Count and preview the views, and check them, as once a day"):
                measured = self._refresh(measure=True)
            versions = (version, evidence.table_version())
            with steps.step("observe", "Look at what AWS does not document"):
                self.report.observations = evidence.all(writer, answers, versions)
            compare(
                self.report,
                agreement,
                bounds,
                hours=evidence.hours_read(),
                after_crawl=answers,
                at_end=evidence.view_answers(),
            )
            count = 0 if deployment.stage.measure == "never" else len(views(self.pipeline))
            # the change above 1 MiB is a problem, if AWS leaves it out: the next comparison knows whose it is
            compare_measured(self.report, measured, views=count, judged_elsewhere={PROBLEMS_CHECK})
            _compare_problems(self.report, deployment, writer)

    def _agree(self, deployment: Deployment, *, ignoring: str | None = None, least: int = 0) -> Agreement:
        """Refresh until the views show the table, or until it has taken too long.

        Args:
            deployment: The pipeline on the stage.
            ignoring: Key of an item that may differ, in canonical JSON.
            least: How many changes must have arrived.
        """
        stage = deployment.stage
        ignored = {key_text(json.loads(ignoring))} if ignoring else set()
        deadline = time.monotonic() + 2 * stage.buffer_seconds + _AGREEMENT_SECONDS
        while True:
            self._refresh()
            table = scan_items(self.ready.place.client("dynamodb"), deployment.names.table)
            rows, counted = state_rows(deployment.athena.execute), changes_counted(deployment.athena.execute)
            differing = set(differing_keys(table, rows)) - ignored
            found = Agreement(len(table), len(differing), len(rows), len(distinct_keys(rows)), counted)
            if found.is_reached(least) or time.monotonic() > deadline:
                return found
            time.sleep(min(30, stage.buffer_seconds + 1))

    def _refresh(self, *, measure: bool = False) -> Measured:
        """Run the job of the pipeline, as Dagster's sensor does.

        Args:
            measure: Whether it counts and previews the views and scans for the checks, as a schedule lets it once a
                day.

        Raises:
            UserError: It failed.
        """
        from dagster import DagsterInstance

        from ddb_pipeline.definitions import build_definitions

        loaded = build_definitions(self.ready.declaration).get_repository_def()
        job = loaded.get_job(refresh_job_name(self.pipeline))
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        with DagsterInstance.ephemeral() as instance:
            tags = {MEASURE_TAG: "daily"} if measure else {}
            result = job.execute_in_process(instance=instance, raise_on_error=False, run_config=quiet, tags=tags)
        if not result.success:
            failures = [event.message or "" for event in result.all_events if event.is_failure]
            raise UserError(f"the job {job.name} failed: {failures[0] if failures else 'no reason given'}")
        names = {view.name for view in views(self.pipeline)}
        made = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
        return Measured(
            sum(one.asset_key.path[-1] in names and MEASURED_BY in one.metadata for one in made),
            {check.check_name: check.passed for check in result.get_asset_check_evaluations()},
        )

    def _wait_for_hour(self, deployment: Deployment, known: set[datetime]) -> None:
        """Wait until S3 holds an hour that is not known.

        Raises:
            UserError: It does not come.
        """
        stage = deployment.stage
        deadline = time.monotonic() + 2 * stage.buffer_seconds + _AGREEMENT_SECONDS
        while set(deployment.raw_bucket.all_hours()) <= known:
            if time.monotonic() > deadline:
                raise UserError(f"no new hour arrived in {deployment.raw_bucket.uri} of stage {stage.name}")
            time.sleep(min(10, stage.buffer_seconds + 1) / 5)


def _compare_problems(report: Report, deployment: Deployment, writer: Writer) -> None:
    problems = deployment.athena.execute("SELECT item_key FROM change_problems").rows
    unexpected = sum(key != writer.key_text("large") for (key,) in problems)
    report.add(
        "change_problems", f"{len(problems)}, of which {unexpected} not of the change above 1 MiB", right=not unexpected
    )


def _wait_until(moment: datetime) -> None:
    """Wait, and show how long it still takes."""
    whole = (moment - datetime.now(UTC)).total_seconds()
    bar = Progress(TextColumn("Wait for the next hour"), BarColumn(), TimeRemainingColumn(), console=console)
    with bar:
        task = bar.add_task("wait", total=max(1.0, whole))
        while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
            bar.update(task, completed=whole - left)
            time.sleep(min(5.0, left))
        bar.update(task, completed=whole)


def _pipeline(ready: Ready, name: str | None) -> Pipeline:
    """The pipeline that is verified.

    Raises:
        UserError: There are several, or it streams a table of the user's own.
    """
    pipelines, stage = ready.declaration.pipelines, ready.place.stage
    name = chosen_pipeline(pipelines, name)
    for other in pipelines.values():
        table = other.existing_table.of(stage)
        if table is not None:
            raise UserError(
                f"stage {stage} streams table {table} of yours (pipeline {other.name}), and a verification writes and "
                "destroys: declare a stage of its own, such as [stages.verify], without existing_table"
            )
    return pipelines[name]


def _require_unused(ready: Ready) -> None:
    """Check that nothing can be lost.

    Raises:
        UserError: The stage is in use, or would stay.
    """
    stage = ready.declaration.stage(ready.place.stage)
    advice = "declare a stage of its own in pipeline.toml, such as [stages.verify], with keep_data = false"
    there = deployed_stacks(ready.declaration, ready.place)
    if there:
        raise UserError(
            f"stage {stage.name} is deployed ({', '.join(there)}), and a verification destroys what it used: {advice}"
        )
    if stage.keep_data:
        raise UserError(f"stage {stage.name} keeps its data, and a verification leaves nothing: {advice}")


def _facts(ready: Ready, pipeline: Pipeline, persons: int) -> dict[str, str]:
    stage = ready.declaration.stage(ready.place.stage)
    return {
        "begun": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "region": ready.place.region,
        "endpoint": "not AWS itself" if ready.place.settings.connection.endpoint_url else "AWS",
        "versions": f"{PROJECT} {metadata.version(PROJECT)}, aws-cdk {cdk.VERSION}, "
        f"aws-cdk-lib {metadata.version('aws-cdk-lib')}, boto3 {metadata.version('boto3')}, "
        f"Python {platform.python_version()}",
        "pipeline": f"format {pipeline.format}, catalog {pipeline.catalog}",
        "stage": f"buffer {stage.buffer_seconds} s or {stage.buffer_mebibytes} MiB, stream kept "
        f"{stage.stream_retention_hours} h",
        "written": f"{persons} persons with changes and deletes, in two hours",
    }


def _secrets(ready: Ready) -> list[str | None]:
    connection = ready.place.settings.connection
    return [ready.place.account, connection.profile, connection.access_key_id, connection.secret_access_key]


@contextmanager
def _environment(ready: Ready) -> Iterator[None]:
    """Let everything in this process work on the stage, whatever `.env` says."""
    before, wanted = dict(os.environ), {**ready.place.environment(), STAGE_VARIABLE: ready.place.stage}
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

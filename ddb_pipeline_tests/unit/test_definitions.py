"""What Dagster loads: with two pipelines, without any environment, and what it says when nothing is configured."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    Definitions,
    RepositoryDefinition,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)

from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.definitions import build_definitions

REPOSITORY = Path(__file__).parent.parent.parent
TWO = """
[pipelines.persons]
partition_key = { name = "pk", type = "S" }
start_date = 2026-01-01

[pipelines.orders]
partition_key = { name = "Customer.Id", type = "S" }
sort_key = { name = "item", type = "N" }
start_date = 2026-02-01

[stages.local]
arrivals_interval_seconds = 5
automation = "running"
measure = "each"

[stages.dev]
arrivals_interval_seconds = 60
automation = "stopped"
"""
NO_STAGE = "no stage is configured: run `ddb-pipeline local up`"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two pipelines, in an environment without settings: a local AWS in this process has some."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pipeline.toml").write_text(TWO, encoding="utf-8")
    return tmp_path


def definitions(directory: Path) -> Definitions:
    return build_definitions(load_declaration(directory / "pipeline.toml"))


VIEWS = ("latest_item_state", "change_counts", "item_history", "deleted_items", "attribute_changes", "change_problems")


def repository(directory: Path) -> RepositoryDefinition:
    return definitions(directory).get_repository_def()


@pytest.mark.parametrize("pipeline", ["persons", "orders"])
def test_each_pipeline_has_all_its_assets_in_line(directory: Path, pipeline: str):
    graph = repository(directory).asset_graph
    parents = {
        "table": set(),
        "change_stream": {"table"},
        "delivery_stream": {"change_stream"},
        "raw_changes": {"delivery_stream"},
        "failed_deliveries": {"delivery_stream"},
        "change_table": {"raw_changes"},
        "item_attributes": {"change_table"},
        "latest_item_state": {"change_table", "item_attributes"},
        "change_counts": {"change_table"},
        "item_history": {"change_table"},
        "deleted_items": {"change_table", "item_attributes"},
        "attribute_changes": {"change_table"},
        "change_problems": {"change_table"},
    }

    for name, expected in parents.items():
        node = graph.get(AssetKey([pipeline, name]))
        assert {key.path[-1] for key in node.parent_keys} == expected
        assert {key.path[0] for key in node.parent_keys} <= {pipeline}
    assert len(list(graph.get_all_asset_keys())) == 2 * len(parents)


def test_every_asset_says_what_it_is_and_whose(directory: Path):
    graph = repository(directory).asset_graph
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key
        assert node.group_name in {"source", "changes", "views"}, key


def test_what_dagster_runs_is_materializable_and_the_rest_is_lineage(directory: Path):
    graph = repository(directory).asset_graph
    materializable = {key.path[-1] for key in graph.materializable_asset_keys}

    assert materializable == {"change_table", "item_attributes", *VIEWS}


def test_the_hour_that_is_being_delivered_is_a_partition(directory: Path):
    hours = repository(directory).asset_graph.get(AssetKey(["orders", "raw_changes"])).partitions_def
    assert hours is not None

    assert hours.get_first_partition_key() == "2026-02-01-00:00"
    now = datetime.now(UTC)
    assert hours.has_partition_key(now.strftime("%Y-%m-%d-%H:00"))


def test_the_job_holds_the_crawl_its_checks_and_everything_downstream(directory: Path):
    job = repository(directory).get_job("persons_refresh")

    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {
        "persons/change_table",
        "persons/item_attributes",
        *(f"persons/{view}" for view in VIEWS),
    }
    assert {key.name for key in job.asset_layer.asset_graph.asset_check_keys} == {
        "no_failed_deliveries",
        "changes_are_delivered",
        "crawls_keep_up",
        "few_records_are_repeated",
        "state_agrees_with_the_table",
        "no_unexplained_change_problems",
        "every_s3_hour_is_in_the_catalog",
        "no_hour_is_gone_that_is_read",
        "schema_is_the_contract",
        "one_row_per_item",
        "values_fit_their_columns",
    }


def test_tables_and_columns_are_on_the_definitions(directory: Path, monkeypatch: pytest.MonkeyPatch):
    key = AssetKey(["persons", "latest_item_state"])
    without = repository(directory).asset_graph.get(key).metadata
    assert without["dagster/table_name"] == "latest_item_state"
    assert without["dagster/column_schema"].columns[0].name == "pk"

    monkeypatch.setenv("DDB_PIPELINE_STAGE", "local")
    assert repository(directory).asset_graph.get(key).metadata["dagster/table_name"] == (
        "ddb_local_persons.latest_item_state"
    )


@pytest.mark.parametrize(
    ("stage", "seconds", "status"), [(None, 5, "RUNNING"), ("local", 5, "RUNNING"), ("dev", 60, "STOPPED")]
)
def test_the_stage_says_whether_automation_starts_on(directory: Path, stage: str | None, seconds: int, status: str):
    if stage:
        (directory / ".env").write_text(f"DDB_PIPELINE_STAGE={stage}\n", encoding="utf-8")
    loaded = repository(directory)

    assert loaded.get_sensor_def("persons_arrivals").default_status is DefaultSensorStatus[status]
    assert loaded.get_sensor_def("persons_arrivals").minimum_interval_seconds == seconds
    assert loaded.get_schedule_def("orders_crawl").default_status is DefaultScheduleStatus[status]
    assert loaded.get_schedule_def("orders_views").execution_timezone == "UTC"


def test_without_a_stage_ticks_skip_with_one_sentence(directory: Path):
    loaded = repository(directory)
    with DagsterInstance.ephemeral() as instance:
        ticks = [
            loaded.get_sensor_def("persons_arrivals")(
                build_sensor_context(instance, repository_def=loaded, resources=loaded.get_top_level_resources())
            ),
            *(
                loaded.get_schedule_def(name)(
                    build_schedule_context(instance, resources=loaded.get_top_level_resources())
                )
                for name in ("persons_crawl", "persons_views")
            ),
        ]

    for tick in ticks:
        assert isinstance(tick, SkipReason)
        assert tick.skip_message is not None
        assert tick.skip_message.startswith(NO_STAGE)


def test_without_a_stage_a_materialization_fails_with_the_same_sentence(directory: Path):
    with DagsterInstance.ephemeral() as instance:
        job = repository(directory).get_job("persons_refresh")
        result = job.execute_in_process(instance=instance, raise_on_error=False)

    assert not result.success
    failure = result.failure_data_for_node("persons__change_table")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert str(failure.user_failure_data.description).startswith(NO_STAGE)
    assert [event for event in result.all_events if event.is_step_restarted or event.is_step_up_for_retry] == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("DDB_PIPELINE_STAGE=nowhere\n", "no stage is named 'nowhere'; declared are dev, local"),
        (
            (
                "DDB_PIPELINE_STAGE=local\nAWS_ENDPOINT_URL=http://127.0.0.1:9\nAWS_REGION=eu-central-1\n"
                "AWS_ACCESS_KEY_ID=testing\nAWS_SECRET_ACCESS_KEY=testing\n"
            ),
            "nothing answers at http://127.0.0.1:9: run `ddb-pipeline local up`",
        ),
        ("DDB_PIPELINE_STAGE=dev\nAWS_PROFILE=gone\nAWS_REGION=eu-central-1\n", "(gone)"),
        ("DDB_PIPELINE_STAGE=dev\nAWS_REGION=eu-central-1\n", "no AWS credentials are configured"),
        ("DDB_PIPELINE_STAGE=dev\nAWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=a\n", "no AWS region is configured"),
    ],
)
def test_wrong_settings_make_a_tick_skip_with_what_to_do(directory: Path, environment: str, said: str):
    (directory / ".env").write_text(environment, encoding="utf-8")
    loaded = repository(directory)
    with DagsterInstance.ephemeral() as instance:
        context = build_sensor_context(instance, resources=loaded.get_top_level_resources())
        tick = loaded.get_sensor_def("persons_arrivals")(context)

    assert isinstance(tick, SkipReason)
    assert said in str(tick.skip_message)


def validate(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DDB_"))}
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(REPOSITORY / "workspace.yaml")]
    return subprocess.run(
        command,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_definitions_are_valid_without_any_environment(directory: Path):
    done = validate(directory)

    assert done.returncode == 0, done.stderr


def test_a_wrong_declaration_is_told_when_dagster_loads(directory: Path):
    (directory / "pipeline.toml").write_text(TWO.replace('"stopped"', '"X"'), encoding="utf-8")

    done = validate(directory)

    assert done.returncode != 0
    assert 'stages.dev.automation: found "X"; allowed is' in done.stdout + done.stderr


def test_loading_imports_no_client_library(directory: Path):
    code = (
        "import sys, ddb_pipeline.definitions; "
        "print([n for n in ('boto3', 'pyathena', 'dagster_aws', 'moto', 'duckdb', 'aws_cdk') if n in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=directory, env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("stage", "is_promised"), [(None, False), ("local", True), ("dev", False)])
def test_views_are_to_be_fresh_where_the_schedule_that_refreshes_them_is_on(
    directory: Path, stage: str | None, is_promised: bool
):
    if stage:
        (directory / ".env").write_text(f"DDB_PIPELINE_STAGE={stage}\n", encoding="utf-8")
    graph = repository(directory).asset_graph

    policies = {key.path[-1] for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy is not None}
    assert policies == (set(VIEWS) if is_promised else set()), "an idle table is crawled by nobody"

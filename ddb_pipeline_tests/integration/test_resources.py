"""The pipeline's clients against local AWS: listing hours, the catalog, names, crawls, queries."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterExecutionInterruptedError

from ddb_pipeline.arrivals import hour_prefix, hour_values
from ddb_pipeline.errors import AwsError, NotDeployedError, PipelineError, SettingsError
from ddb_pipeline.local_aws.crawler import api as glue_api
from ddb_pipeline.names import ChangeTable
from ddb_pipeline.resources.athena import AthenaQueryError
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.resources.change_catalog import ChangeCatalog
from ddb_pipeline.resources.raw_bucket import RawBucket
from ddb_pipeline_tests.deployed import Deployed, wait_until

FIRST = datetime(2025, 12, 31, 22, tzinfo=UTC)
HOURS = [FIRST + timedelta(hours=step) for step in (0, 1, 2, 3, 26, 24 * 40)]


def resource(deployed: Deployed) -> PipelineAwsResource:
    return PipelineAwsResource(declaration_file=str(deployed.declaration.path))


@pytest.fixture
def bucket(deployed: Deployed) -> RawBucket:
    """A bucket of the test's own, with two objects in each of some hours, over the ends of a day and a year."""
    client, name = deployed.client("s3"), f"test-{uuid.uuid4()}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": client.meta.region_name})
    for hour in HOURS:
        for number in range(2):
            client.put_object(Bucket=name, Key=f"changes/{hour_prefix(hour)}{number}.json.gz", Body=b"12345")
    return RawBucket(client, name, ("changes/", "changes_parquet/"))


def test_hours_are_listed_from_the_oldest(bucket: RawBucket):
    assert list(bucket.hours()) == HOURS
    assert bucket.all_hours() == HOURS
    assert bucket.unreadable == []


@pytest.mark.parametrize("first", range(len(HOURS)))
def test_hours_are_listed_from_the_first_that_is_wanted(bucket: RawBucket, first: int):
    assert list(bucket.hours(HOURS[first])) == HOURS[first:]
    assert (
        list(bucket.hours(HOURS[first] + timedelta(hours=1)))[:1]
        == [hour for hour in HOURS if hour >= HOURS[first] + timedelta(hours=1)][:1]
    )


def test_what_is_no_hour_is_reported_and_the_rest_is_listed(bucket: RawBucket):
    odd = ["tmp/x", "year=2026/month=13/day=01/hour=00/x", "loose.json", "year=2026/y", "year=abcd/month=01/x"]
    for key in odd:
        bucket.client.put_object(Bucket=bucket.bucket, Key=f"changes/{key}", Body=b"")
    bucket.client.put_object(Bucket=bucket.bucket, Key="elsewhere/year=2026/month=01/day=01/hour=00/x", Body=b"")

    assert bucket.all_hours() == HOURS
    found, bucket.unreadable = bucket.unreadable, []
    assert list(bucket.hours()) == HOURS
    assert (
        set(found)
        == set(bucket.unreadable)
        == {
            "changes/tmp/",
            "changes/year=2026/month=13/day=01/hour=00/",
            "changes/loose.json",
            "changes/year=2026/y",
            "changes/year=abcd/month=01/x",
        }
    )


def test_the_content_of_an_hour_is_summed_up(bucket: RawBucket):
    found = bucket.content(HOURS[0])

    assert found is not None
    assert (found.objects, found.size) == (2, 10)
    assert abs(datetime.now(UTC) - found.newest) < timedelta(minutes=5)
    assert bucket.content(datetime(2030, 1, 1, tzinfo=UTC)) is None


def test_hours_of_two_formats_are_listed_together(bucket: RawBucket):
    """The last hour has objects in both, as when the format was switched in it; one is older, one is newer."""
    older, newer = FIRST - timedelta(hours=1), HOURS[-1] + timedelta(hours=1)
    for hour in (older, HOURS[-1], newer):
        key = f"changes_parquet/{hour_prefix(hour)}0.parquet"
        bucket.client.put_object(Bucket=bucket.bucket, Key=key, Body=b"12345")
    both = RawBucket(bucket.client, bucket.bucket, bucket.prefixes)
    everything = [older, *HOURS, newer]

    assert both.used_prefixes == ("changes/", "changes_parquet/")
    assert list(both.hours()) == both.all_hours() == everything
    assert both.hours_by_prefix() == {"changes/": HOURS, "changes_parquet/": [older, HOURS[-1], newer]}
    assert both.hours_by_prefix(newer) == {"changes/": [], "changes_parquet/": [newer]}
    found = both.content(HOURS[-1])
    assert found is not None
    assert (found.objects, set(found.first_written)) == (3, {"changes/", "changes_parquet/"})
    stored = both.stored_since(newer, found.oldest)
    assert stored == {newer: {f"s3://{both.bucket}/changes_parquet/{hour_prefix(newer)}0.parquet"}}


def test_an_empty_bucket_has_no_hours(bucket: RawBucket):
    nothing = RawBucket(bucket.client, bucket.bucket, ("nothing/", "never/"))

    assert list(nothing.hours()) == nothing.all_hours() == []


def test_the_catalog_says_which_hours_it_lacks(stage: Deployed):
    names = stage.names["orders"]
    catalog = ChangeCatalog(stage.client("glue"), names.database, names.change_tables)
    prefix = names.changes_prefix
    never = [datetime(1999, 1, 1, tzinfo=UTC) + timedelta(hours=step) for step in range(1500)]

    assert catalog.lacking({prefix: never}) == catalog.all_lacking({prefix: never}) == {prefix: tuple(never)}
    assert catalog.lacking({}) == catalog.lacking({prefix: []}) == catalog.all_lacking({prefix: []}) == {}
    assert catalog.lacking({prefix: catalog.hours()}) == {}


@pytest.mark.parametrize("looked_up", [1, 3, 1000])
def test_an_hour_that_glue_did_not_look_up_is_not_lacking(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, looked_up: int
):
    glue, database = deployed.client("glue"), f"test_{uuid.uuid4().hex}"
    table = ChangeTable("changes", "changes/", "json", "none")
    glue.create_database(DatabaseInput={"Name": database})
    glue.create_table(DatabaseName=database, TableInput={"Name": table.name})
    registered = [{"Values": list(hour_values(hour))} for hour in HOURS[::2]]
    glue.batch_create_partition(DatabaseName=database, TableName=table.name, PartitionInputList=registered)
    catalog = ChangeCatalog(glue, database, (table,))

    monkeypatch.setattr(glue_api, "PARTITIONS_IN_AN_ANSWER", looked_up)
    assert catalog.lacking({"changes/": HOURS}) == {"changes/": tuple(HOURS[1::2])}
    assert catalog.lacking({"changes/": HOURS[::2]}) == {}

    monkeypatch.setattr(glue_api, "PARTITIONS_IN_AN_ANSWER", 0)
    with pytest.raises(AwsError, match=r"looked up none of 6 partitions of table test_\w+.changes") as caught:
        catalog.lacking({"changes/": HOURS})
    assert caught.value.transient
    assert catalog.lacking({"changes/": []}) == {}


def test_a_table_that_somebody_dropped_is_named_with_what_to_do(stage: Deployed):
    dropped = ChangeTable("dropped", "changes/", "json", "none")
    catalog = ChangeCatalog(stage.client("glue"), stage.names["orders"].database, (dropped,))

    assert catalog.table("dropped") is None
    with pytest.raises(NotDeployedError, match=r"dropped is not in the Glue catalog.*data in S3 is untouched"):
        catalog.require_change_tables()


def test_a_deployment_knows_its_names(stage: Deployed):
    with resource(stage).deployment("persons") as deployment:
        assert deployment.names == stage.names["persons"]
        assert deployment.stage.name == "local"


def test_a_stage_that_is_not_deployed_says_how_to_deploy_it(stage: Deployed, tmp_path: Path):
    declaration = stage.declaration.path.read_text(encoding="utf-8") + "\n[stages.dev]\n"
    (tmp_path / "pipeline.toml").write_text(declaration, encoding="utf-8")
    aws = PipelineAwsResource(declaration_file=str(tmp_path / "pipeline.toml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DDB_PIPELINE_STAGE", "dev")
        with (
            pytest.raises(
                NotDeployedError, match=r"stage dev of pipeline persons is not deployed.*`ddb-pipeline local up`"
            ),
            aws.deployment("persons"),
        ):
            pass


def test_a_pipeline_that_left_the_declaration_is_named(stage: Deployed):
    with pytest.raises(SettingsError, match="'gone' is gone"), resource(stage).deployment("gone"):
        pass


def test_names_of_another_version_are_an_error_that_names_the_parameter(stage: Deployed, tmp_path: Path):
    declaration = stage.declaration.path.read_text(encoding="utf-8") + "\n[stages.other]\n"
    (tmp_path / "pipeline.toml").write_text(declaration, encoding="utf-8")
    parameter = "/ddb-change-analytics/other/persons"
    stage.client("ssm").put_parameter(Name=parameter, Value='{"pipeline": "persons"}', Type="String", Overwrite=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DDB_PIPELINE_STAGE", "other")
        aws = PipelineAwsResource(declaration_file=str(tmp_path / "pipeline.toml"))
        with pytest.raises(PipelineError, match=f"{parameter} lacks .*deploy it again"), aws.deployment("persons"):
            pass


def test_the_environment_file_is_read_at_use_and_reaches_every_client(
    stage: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """`dagster dev` started before `ddb-pipeline local up`: no variable is set, `.env` appears later."""
    from ddb_pipeline.cli import local_stack

    (tmp_path / "pipeline.toml").write_text(stage.declaration.path.read_text(encoding="utf-8"), encoding="utf-8")
    settings = local_stack.environment(stage.endpoint)
    for name in settings:
        monkeypatch.delenv(name, raising=False)
    aws = PipelineAwsResource(declaration_file=str(tmp_path / "pipeline.toml"))
    with pytest.raises(SettingsError, match="no stage is configured"), aws.deployment("persons"):
        pass

    (tmp_path / ".env").write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")

    with aws.deployment("persons") as deployment:
        list(deployment.raw_bucket.hours())
        deployment.catalog.require_change_tables()
        assert deployment.athena.execute("SELECT 1 AS a, CAST(NULL AS varchar) AS b").rows == ((1, None),)
        assert deployment.crawler.crawl(deployment.names.crawler, deadline_seconds=60).state == "COMPLETED"


def test_two_who_crawl_at_once_share_one_crawl_or_take_turns(stage: Deployed):
    """However they meet: both end, and never is the crawler started while it runs."""
    with resource(stage).deployment("orders") as deployment:
        name = deployment.names.crawler
        crawlers = [deployment.crawler, deployment.crawler]
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda crawler: crawler.crawl(name, deadline_seconds=60), crawlers))

    assert {result.state for result in results} == {"COMPLETED"}
    same = results[0].crawl_id == results[1].crawl_id
    # one may start a crawl that begins and ends before the other asks for its own: then both name the first of the two
    assert [result.joined for result in results].count(True) <= (1 if same else 0)


def test_a_query_that_athena_cannot_run_raises_its_reason(stage: Deployed):
    with resource(stage).deployment("orders") as deployment, pytest.raises(AthenaQueryError) as caught:
        deployment.athena.execute("SELECT nothing_of_the_kind FROM changes")

    assert "nothing_of_the_kind" in str(caught.value)
    assert caught.value.query_id in str(caught.value)


def test_a_parameter_of_each_type_is_what_it_was_in_python(stage: Deployed):
    values: list[Any] = [
        True,
        -5,
        1.5,
        Decimal("0.10"),
        "it's ?",
        b"\x00\xff",
        date(2026, 3, 5),
        datetime(2026, 3, 5, 12, tzinfo=UTC).replace(tzinfo=None),
        None,
    ]
    columns = "true, -5, 1.5E0, DECIMAL '0.10', 'it''s ?', X'00ff', DATE '2026-03-05', TIMESTAMP '2026-03-05 12:00:00'"
    compared = " AND ".join(f"c{place} = ?" for place in range(8))
    sql = (
        f"SELECT 1 AS a FROM (VALUES ({columns})) AS t (c0, c1, c2, c3, c4, c5, c6, c7) WHERE {compared} AND ? IS NULL"
    )
    with resource(stage).deployment("orders") as deployment:
        assert deployment.athena.execute(sql, values).rows == ((1,),)
        assert deployment.athena.execute(sql, [False, *values[1:]]).rows == ()


def test_an_interrupted_query_is_not_left_running(stage: Deployed):
    started: list[str] = []

    def interrupt(query_id: str) -> None:
        started.append(query_id)
        raise DagsterExecutionInterruptedError

    with resource(stage).deployment("orders") as deployment, pytest.raises(DagsterExecutionInterruptedError):
        deployment.athena.execute("SELECT count(*) FROM changes", on_start=interrupt)

    def state() -> str:
        execution = stage.client("athena").get_query_execution(QueryExecutionId=started[0])["QueryExecution"]
        return str(execution["Status"]["State"])

    # a stop takes a moment; a query that was done before is not stopped any more
    wait_until(lambda: state() in {"CANCELLED", "SUCCEEDED"}, "the query has ended")


def test_a_bucket_that_is_gone_says_so(stage: Deployed):
    with pytest.raises((NotDeployedError, AwsError), match="ddb-pipeline local up"):  # noqa: SIM117
        with resource(stage).deployment("orders") as deployment:
            list(RawBucket(deployment.raw_bucket.client, "gone-bucket", ("changes/",)).hours())

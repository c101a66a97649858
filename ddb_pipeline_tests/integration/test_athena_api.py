"""The local Athena's API on workgroups, named queries, prepared statements, catalogs, result reuse and throttling."""

from __future__ import annotations

import json
import random
import string
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ddb_pipeline_tests.local_athena import KEYS, running


@pytest.fixture(scope="module")
def local():
    with running() as found:
        yield found


@pytest.fixture
def group(local):
    name = f"g-{uuid.uuid4().hex[:8]}"
    local.make_group(name)
    return name


# workgroups


def test_a_workgroup_is_made_shown_changed_and_deleted(local, group):
    shown = local.athena.get_work_group(WorkGroup=group)["WorkGroup"]
    assert (shown["Name"], shown["State"]) == (group, "ENABLED")
    assert shown["Configuration"]["EnforceWorkGroupConfiguration"] is True
    local.athena.update_work_group(
        WorkGroup=group,
        Description="new",
        ConfigurationUpdates={
            "EnforceWorkGroupConfiguration": False,
            "BytesScannedCutoffPerQuery": 20_000_000,
            "ResultConfigurationUpdates": {
                "OutputLocation": f"s3://{local.results}/new/",
                "RemoveEncryptionConfiguration": True,
            },
        },
    )
    changed = local.athena.get_work_group(WorkGroup=group)["WorkGroup"]
    assert (changed["Description"], changed["CreationTime"]) == ("new", shown["CreationTime"])
    assert changed["Configuration"]["BytesScannedCutoffPerQuery"] == 20_000_000
    assert changed["Configuration"]["ResultConfiguration"] == {"OutputLocation": f"s3://{local.results}/new/"}
    local.athena.update_work_group(WorkGroup=group, ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True})
    last = local.athena.get_work_group(WorkGroup=group)["WorkGroup"]["Configuration"]
    assert "BytesScannedCutoffPerQuery" not in last
    assert last["EnforceWorkGroupConfiguration"] is False

    local.athena.delete_work_group(WorkGroup=group)
    with pytest.raises(ClientError, match=f"WorkGroup {group} is not found"):
        local.athena.get_work_group(WorkGroup=group)


def test_a_disabled_workgroup_runs_nothing(local, group):
    local.athena.update_work_group(WorkGroup=group, State="DISABLED")
    with pytest.raises(ClientError, match=f"WorkGroup {group} is disabled"):
        local.start("SELECT 1", group=group)
    local.athena.update_work_group(WorkGroup=group, State="ENABLED")
    assert local.run("SELECT 1", group=group)["Status"]["State"] == "SUCCEEDED"


def test_a_workgroup_with_content_is_deleted_on_request_only(local, group):
    query = local.athena.create_named_query(Name="n", Database="d", QueryString="SELECT 1", WorkGroup=group)
    identity = local.start("SELECT 1", group=group)
    local.wait(identity)
    with pytest.raises(ClientError, match=f"WorkGroup {group} is not empty"):
        local.athena.delete_work_group(WorkGroup=group)
    local.athena.delete_work_group(WorkGroup=group, RecursiveDeleteOption=True)
    for call in (
        lambda: local.athena.get_named_query(NamedQueryId=query["NamedQueryId"]),
        lambda: local.athena.get_query_execution(QueryExecutionId=identity),
    ):
        with pytest.raises(ClientError, match="was not found"):
            call()


def test_workgroups_are_listed_in_pages(local, group):
    names, token = [], None
    while True:
        answer = local.athena.list_work_groups(MaxResults=1, **({"NextToken": token} if token else {}))
        names += [one["Name"] for one in answer["WorkGroups"]]
        token = answer.get("NextToken")
        if not token:
            break
    assert names == sorted(names)
    assert {"primary", group, local.group} <= set(names)


def test_a_workgroup_that_is_not_enforced_leaves_the_place_to_the_client(local, group):
    request = {"ResultConfiguration": {"OutputLocation": f"s3://{local.raw}/mine/"}}
    enforced = local.run("SELECT 1", group=group, **request)
    assert enforced["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{local.results}/out/")
    assert enforced["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    local.athena.update_work_group(WorkGroup=group, ConfigurationUpdates={"EnforceWorkGroupConfiguration": False})
    free = local.run("SELECT 1", group=group, **request)
    assert free["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{local.raw}/mine/")


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({"ExecutionRole": "arn:aws:iam::123456789012:role/r"}, "ExecutionRole of a workgroup is not supported"),
        ({"ManagedQueryResultsConfiguration": {"Enabled": True}}, "ManagedQueryResultsConfiguration of a workgroup"),
        ({"EngineVersion": {"SelectedEngineVersion": "PySpark engine version 3"}}, "PySpark engine version 3"),
        ({"ResultConfiguration": {"OutputLocation": "/tmp/x"}}, "outputLocation is not a valid S3 path"),
    ],
)  # fmt: skip
def test_a_configuration_that_is_not_honoured_is_refused_by_name(local, configuration, said):
    with pytest.raises(ClientError, match=said):
        local.athena.create_work_group(Name="never", Configuration=configuration)
    with pytest.raises(ClientError, match="not found"):
        local.athena.get_work_group(WorkGroup="never")


def test_more_wrong_requests_about_workgroups(local, group):
    lenient = boto3.client("athena", endpoint_url=local.endpoint, config=Config(parameter_validation=False), **KEYS)
    for call, said in (
        (lambda: local.make_group(group), "already created"),
        (lambda: local.athena.delete_work_group(WorkGroup="primary"), "Primary WorkGroup could not be deleted"),
        (lambda: local.athena.update_work_group(WorkGroup="nobody"), "WorkGroup nobody is not found"),
        (lambda: local.athena.list_work_groups(NextToken="x"), "NextToken is not one"),
        (
            lambda: lenient.create_work_group(Name="x", Configuration={"BytesScannedCutoffPerQuery": 9_999_999}),
            "the least is 10000000",
        ),
    ):
        with pytest.raises(ClientError, match=said):
            call()


def test_a_query_over_the_workgroups_cutoff_is_cancelled(local):
    random.seed(1)
    long = "".join(random.choices(string.ascii_letters, k=14_500_000))
    line = json.dumps({"event_id": long, "size_bytes": 1})
    local.make_table("big")
    assert local.put([line], table="big", hour="01") > 10_000_000
    local.put(['{"size_bytes": 2}'], table="big", hour="02")
    local.make_group("tiny", BytesScannedCutoffPerQuery=10_000_000)
    under = local.run("SELECT sum(size_bytes) FROM big WHERE hour = '02'", group="tiny")
    assert under["Status"]["State"] == "SUCCEEDED"
    over = local.run("SELECT sum(size_bytes) FROM big", group="tiny")
    assert (over["Status"]["State"], over["Status"]["StateChangeReason"]) == (
        "CANCELLED", "Bytes scanned limit was exceeded",
    )  # fmt: skip


# named queries


def test_named_queries_are_made_once_a_token_listed_changed_and_deleted(local, group):
    token = uuid.uuid4().hex
    fields = {"Name": "n", "Database": "d", "QueryString": "SELECT 1", "WorkGroup": group}
    first = local.athena.create_named_query(**fields, ClientRequestToken=token)["NamedQueryId"]
    assert local.athena.create_named_query(**fields, ClientRequestToken=token)["NamedQueryId"] == first
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        local.athena.create_named_query(**{**fields, "Name": "other"}, ClientRequestToken=token)
    second = local.athena.create_named_query(**fields, Description="text")["NamedQueryId"]
    pages = local.athena.get_paginator("list_named_queries").paginate(WorkGroup=group, PaginationConfig={"PageSize": 1})
    assert [one for page in pages for one in page["NamedQueryIds"]] == [first, second]

    local.athena.update_named_query(NamedQueryId=first, Name="new", QueryString="SELECT 2")
    batch = local.athena.batch_get_named_query(NamedQueryIds=[first, second, "none"])
    assert [(one["Name"], one["QueryString"]) for one in batch["NamedQueries"]] == [
        ("new", "SELECT 2"), ("n", "SELECT 1"),
    ]  # fmt: skip
    assert [one["NamedQueryId"] for one in batch["UnprocessedNamedQueryIds"]] == ["none"]
    assert local.athena.get_named_query(NamedQueryId=second)["NamedQuery"] == {
        "Name": "n", "Description": "text", "Database": "d", "QueryString": "SELECT 1", "NamedQueryId": second,
        "WorkGroup": group,
    }  # fmt: skip
    local.athena.delete_named_query(NamedQueryId=first)
    with pytest.raises(ClientError, match="was not found"):
        local.athena.delete_named_query(NamedQueryId=first)


# prepared statements


def test_prepared_statements_are_those_of_the_api_and_of_sql_alike(local):
    own = {"StatementName": "by_api", "WorkGroup": local.group}
    local.athena.create_prepared_statement(**own, QueryStatement="SELECT 1 AS a WHERE 1 = ?", Description="d")
    assert local.rows("EXECUTE by_api USING 1") == [["1"]]
    with pytest.raises(ClientError, match="already exists"):
        local.athena.create_prepared_statement(**own, QueryStatement="SELECT 1")
    local.athena.update_prepared_statement(**own, QueryStatement="SELECT 2 AS a")
    assert local.rows("EXECUTE by_api") == [["2"]]
    local.run("PREPARE by_sql FROM SELECT 3 AS a")
    listed = local.athena.list_prepared_statements(WorkGroup=local.group)["PreparedStatements"]
    assert [one["StatementName"] for one in listed] == ["by_api", "by_sql"]
    batch = local.athena.batch_get_prepared_statement(PreparedStatementNames=["by_sql", "none"], WorkGroup=local.group)
    assert [one["QueryStatement"] for one in batch["PreparedStatements"]] == ["SELECT 3 AS a"]
    assert [one["StatementName"] for one in batch["UnprocessedPreparedStatementNames"]] == ["none"]
    local.athena.delete_prepared_statement(**own)
    with pytest.raises(local.athena.exceptions.ResourceNotFoundException):
        local.athena.get_prepared_statement(**own)


# catalogs


def test_catalogs_databases_and_tables_are_listed_in_pages(local):
    assert local.athena.list_data_catalogs()["DataCatalogsSummary"] == [
        {"CatalogName": "AwsDataCatalog", "Type": "GLUE"}
    ]
    assert local.athena.get_data_catalog(Name="AwsDataCatalog")["DataCatalog"]["Type"] == "GLUE"
    with pytest.raises(ClientError, match="the data catalog other is not supported"):
        local.athena.get_data_catalog(Name="other")
    for name in ("listed_a", "listed_b", "other_c"):
        local.make_table(name)
    own = {"CatalogName": "AwsDataCatalog", "DatabaseName": local.database}
    pages = local.athena.get_paginator("list_table_metadata").paginate(
        **own, Expression="listed_.*", PaginationConfig={"PageSize": 1}
    )
    assert [table["Name"] for page in pages for table in page["TableMetadataList"]] == ["listed_a", "listed_b"]
    databases = local.athena.get_paginator("list_databases").paginate(CatalogName="AwsDataCatalog")
    assert local.database in [one["Name"] for page in databases for one in page["DatabaseList"]]
    with pytest.raises(local.athena.exceptions.MetadataException):
        local.athena.get_table_metadata(**own, TableName="nothing")


# result reuse


def reusing(minutes=60, **more):
    by_age = {"Enabled": True, "MaxAgeInMinutes": minutes}
    return {"ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": by_age}, **more}


def reused(found):
    return found["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]


def test_a_result_is_reused_if_asked_for_and_nothing_is_scanned(local):
    local.make_table("counted")
    local.put(['{"event_id": "a"}'], table="counted")
    sql = "SELECT count(*) AS n FROM counted"
    first = local.run(sql, **reusing())
    local.put(['{"event_id": "b"}'], table="counted")
    second = local.run(sql, **reusing())
    assert [reused(one) for one in (first, second)] == [False, True]
    assert second["Statistics"]["DataScannedInBytes"] == 0
    assert second["ResultConfiguration"]["OutputLocation"] == first["ResultConfiguration"]["OutputLocation"]
    answers = [
        local.athena.get_query_results(QueryExecutionId=one["QueryExecutionId"])["ResultSet"] for one in (first, second)
    ]
    assert answers[0] == answers[1]
    assert local.rows(sql) == [["2"]]


def test_a_result_is_not_reused_for_another_question_or_when_it_is_gone_or_too_old(local):
    sql = "SELECT 41 + 1 AS n"
    first = local.run(sql, **reusing())
    assert not reused(local.run(f"{sql} ", **reusing()))
    assert not reused(local.run(sql, **reusing(QueryExecutionContext={"Database": "default"})))
    assert not reused(local.run("SELECT 1 AS n WHERE 1 = ?", **reusing(ExecutionParameters=["1"])))
    assert not reused(local.run("SELECT 1 AS n WHERE 1 = ?", **reusing(ExecutionParameters=["2"])))
    assert not reused(local.run(sql, **reusing(minutes=0)))
    again = local.run(sql, **reusing())
    assert reused(again)
    for found in (first, again):
        key = found["ResultConfiguration"]["OutputLocation"].removeprefix(f"s3://{local.results}/")
        local.s3.delete_object(Bucket=local.results, Key=key)
    assert not reused(local.run("CREATE OR REPLACE VIEW v AS SELECT 1 AS a", **reusing()))
    assert not reused(local.run("CREATE OR REPLACE VIEW v AS SELECT 1 AS a", **reusing()))


# requests


def test_a_token_stands_for_the_whole_request(local):
    token = uuid.uuid4().hex
    first = local.start("SELECT 1 WHERE 1 = ?", ClientRequestToken=token, ExecutionParameters=["1"])
    assert local.start("SELECT 1 WHERE 1 = ?", ClientRequestToken=token, ExecutionParameters=["1"]) == first
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        local.start("SELECT 1 WHERE 1 = ?", ClientRequestToken=token, ExecutionParameters=["2"])


def test_runtime_statistics_have_times_bytes_and_rows(local):
    found = local.run("SELECT n FROM UNNEST(sequence(1, 7)) AS s(n)")
    statistics = local.athena.get_query_runtime_statistics(QueryExecutionId=found["QueryExecutionId"])
    known = statistics["QueryRuntimeStatistics"]
    assert known["Rows"] == {"InputBytes": 0, "OutputRows": 7}
    assert known["Timeline"]["TotalExecutionTimeInMillis"] == found["Statistics"]["TotalExecutionTimeInMillis"]

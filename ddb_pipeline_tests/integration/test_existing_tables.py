"""Pipelines on tables that are there before: they stream while the stack lives, and are otherwise left alone."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.local_tables import make_existing_tables, require_loader
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.local_aws.deployment import DeploymentError, deploy
from ddb_pipeline.names import ComputedNames
from ddb_pipeline.resources.table_export import TableExport
from ddb_pipeline_tests import declared
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.iam_actions import Place, needs
from ddb_pipeline_tests.integration.test_least_privilege import role_policy
from ddb_pipeline_tests.policies import Grant, grants
from ddb_pipeline_tests.recorded_calls import Call, recording
from ddb_pipeline_tests.unit.infra_templates import aws_cdk
from infra_cdk.components.existing_table import ExistingTable, suffix_of
from infra_cdk.components.source_table import SourceTable

DECLARATION = """
[pipelines.invoices]
partition_key = {{ name = "Customer.Id", type = "B" }}
sort_key = {{ name = "number", type = "N" }}
start_date = 2026-11-01
existing_table = "Invoices.v2"

[pipelines.taken]
partition_key = {{ name = "pk", type = "S" }}
start_date = 2026-11-01
existing_table = "taken-by-others"

[stages.local]
buffer_seconds = 1
stream_mode = "provisioned"
stream_shards = 2
stream_retention_hours = 24
compression = "none"
encryption_key = "{key}"
keep_data = false
confirm_data_loss = "local"
"""
TABLE = "Invoices.v2"
STREAMING, EMPTIER = (ComputedNames("invoices", "local").function(name) for name in (suffix_of(TABLE), "emptier"))
FUNCTIONS = (STREAMING, EMPTIER)
# Allowed, but not seen here, with the reason
UNUSED = {
    (STREAMING, "lambda:InvokeFunction"): "only what outlasts an invocation goes on in another",
    (EMPTIER, "lambda:InvokeFunction"): "only what outlasts an invocation goes on in another",
    (STREAMING, "dynamodb:UpdateKinesisStreamingDestination"): "only a destination of milliseconds is changed",
    (STREAMING, "logs:CreateLogStream"): "Lambda logs with the role of the function",
    (STREAMING, "logs:PutLogEvents"): "Lambda logs with the role of the function",
    (EMPTIER, "logs:CreateLogStream"): "Lambda logs with the role of the function",
    (EMPTIER, "logs:PutLogEvents"): "Lambda logs with the role of the function",
}
BEFORE = {"Customer.Id": {"B": b"\x00\x01"}, "number": {"N": "1"}, "total": {"N": "12.50"}}


def settings_of(deployed: Deployed, table: str) -> dict[str, Any]:
    """Everything that DynamoDB says of a table, but for its streaming."""
    dynamodb = deployed.client("dynamodb")
    described = dynamodb.describe_table(TableName=table)["Table"]
    # DynamoDB counts them every six hours
    for name in ("ItemCount", "TableSizeBytes"):
        del described[name]
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    return {
        "table": described,
        "recovery": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
        "expiry": dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"],
        "tags": dynamodb.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"],
    }


def destinations(deployed: Deployed, table: str) -> dict[str, str]:
    found = deployed.client("dynamodb").describe_kinesis_streaming_destination(TableName=table)
    return {
        one["StreamArn"].rpartition("/")[2]: one["DestinationStatus"] for one in found["KinesisDataStreamDestinations"]
    }


@dataclasses.dataclass
class Existing:
    """What was there before, and what the deployment made of it."""

    stage: Deployed
    before: dict[str, Any]
    failure: str
    policies: dict[str, list[Grant]]
    calls: list[Call]


@pytest.fixture(scope="module")
def calls() -> Iterator[list[Call]]:
    """What the functions behind the custom resources ask AWS for, from the first deployment to the last deletion."""
    with pytest.MonkeyPatch.context() as patch, recording(FUNCTIONS, patch) as recorded:
        yield recorded


@pytest.fixture(scope="module")
def existing(deployed: Deployed, calls: list[Call], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Existing]:
    dynamodb, kinesis = deployed.client("dynamodb"), deployed.client("kinesis")
    folder = tmp_path_factory.mktemp("existing_tables")
    key = deployed.client("kms").create_key()["KeyMetadata"]["Arn"]
    file = folder / "pipeline.toml"
    file.write_text(DECLARATION.format(key=key), encoding="utf-8")
    declaration = load_declaration(file)
    make_existing_tables(declaration, deployed.endpoint)
    # as somebody else has set it up
    dynamodb.update_time_to_live(TableName=TABLE, TimeToLiveSpecification={"AttributeName": "gone_at", "Enabled": True})
    dynamodb.update_table(TableName=TABLE, DeletionProtectionEnabled=True)
    arn = dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "owner", "Value": "billing"}])
    dynamodb.put_item(TableName=TABLE, Item=BEFORE)
    kinesis.create_stream(StreamName="others", ShardCount=1)
    others = kinesis.describe_stream_summary(StreamName="others")["StreamDescriptionSummary"]["StreamARN"]
    dynamodb.enable_kinesis_streaming_destination(TableName="taken-by-others", StreamArn=others)
    wait_until(lambda: destinations(deployed, "taken-by-others") == {"others": "ACTIVE"}, "others stream")
    before = settings_of(deployed, TABLE)

    assembly = local_stack.synthesize(declaration, folder / "cdk.out")
    with pytest.raises(DeploymentError) as failure:
        deploy(assembly, deployed.endpoint, local_stack.REGION)
    only = dataclasses.replace(declaration, pipelines={"invoices": declaration.pipelines["invoices"]})
    names = local_stack.published_names(only, deployed.endpoint)
    stage = Deployed(deployed.endpoint, only, names)
    policies = {name: list(grants(role_policy(stage, name))) for name in FUNCTIONS}
    yield Existing(stage, before, str(failure.value), policies, calls)

    delete(deployed, ComputedNames("taken", "local").stack)
    dynamodb.disable_kinesis_streaming_destination(TableName="taken-by-others", StreamArn=others)


def delete(deployed: Deployed, stack: str) -> str:
    cloudformation = deployed.client("cloudformation")
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    cloudformation.delete_stack(StackName=stack)
    status = lambda: cloudformation.describe_stacks(StackName=found["StackId"])["Stacks"][0]["StackStatus"]  # noqa: E731
    wait_until(lambda: not status().endswith("_IN_PROGRESS"), "the deletion has ended")
    return status()


def test_a_table_that_streams_elsewhere_fails_the_stack_by_that_stream_and_streams_on(
    existing: Existing, deployed: Deployed
) -> None:
    assert "ended in state ROLLBACK_COMPLETE" in existing.failure
    assert "table taken-by-others streams to arn:aws:kinesis:" in existing.failure
    assert ":stream/others already, and DynamoDB streams a table to one Kinesis stream only" in existing.failure
    assert destinations(deployed, "taken-by-others") == {"others": "ACTIVE"}


def test_its_changes_are_in_the_views_and_those_before_are_not(existing: Existing) -> None:
    stage, names = existing.stage, existing.stage.names["invoices"]
    dynamodb = stage.client("dynamodb")
    assert destinations(stage, TABLE) == {names.change_stream: "ACTIVE"}
    for number in range(2, 7):
        key = {"Customer.Id": {"B": b"\x00\x01"}, "number": {"N": str(number)}}
        dynamodb.put_item(TableName=TABLE, Item={**key, "total": {"N": "1"}})
    dynamodb.delete_item(TableName=TABLE, Key=key)
    stage.wait_for_rows("invoices", "event_name IN ('INSERT', 'REMOVE')", 6)
    stage.make_views("invoices")

    rows = stage.ask("invoices", 'SELECT "number", state_certain FROM latest_item_state ORDER BY 1')
    assert [(int(number), certain) for number, certain in rows] == [(number, True) for number in range(2, 6)]
    assert stage.ask("invoices", "SELECT DISTINCT time_precision FROM changes") == [("MICROSECOND",)]


def test_raw_objects_are_as_the_stage_wants_them_and_the_stream_too(existing: Existing) -> None:
    stage, names = existing.stage, existing.stage.names["invoices"]
    s3 = stage.client("s3")
    objects = s3.list_objects_v2(Bucket=names.raw_bucket, Prefix=names.changes_prefix)["Contents"]
    for found in objects:
        body = s3.get_object(Bucket=names.raw_bucket, Key=found["Key"])["Body"].read()
        assert found["Key"].endswith(".json")
        assert all(json.loads(line)["table_name"] == TABLE for line in body.splitlines())
        with pytest.raises(gzip.BadGzipFile):
            gzip.decompress(body)
    stream = stage.client("kinesis").describe_stream_summary(StreamName=names.change_stream)["StreamDescriptionSummary"]
    assert (stream["OpenShardCount"], stream["RetentionPeriodHours"]) == (2, 24)
    assert stream["StreamModeDetails"]["StreamMode"] == "PROVISIONED"
    assert stream["KeyId"] == names.key_arn == existing.stage.declaration.stages["local"].encryption_key


def test_nothing_of_ours_writes_to_it(existing: Existing) -> None:
    names = existing.stage.names["invoices"]
    functions = existing.stage.client("lambda").list_functions()["Functions"]
    tables = [found.get("Environment", {}).get("Variables", {}).get("TABLE_NAME") for found in functions]
    assert TABLE not in tables
    with pytest.raises(UserError, match=r"streams the existing table Invoices\.v2, and nothing here writes to a table"):
        require_loader(names)


def test_an_export_says_how_its_owner_switches_recovery_on(existing: Existing) -> None:
    export = TableExport(existing.stage.client("dynamodb"), existing.stage.names["invoices"])
    with pytest.raises(
        PipelineError, match=r"the table is yours, .* update-continuous-backups --table-name Invoices\.v2"
    ):
        export.start("token")


def test_the_table_is_as_it_was_while_it_streams_and_after_the_stack_is_gone(existing: Existing) -> None:
    stage, names = existing.stage, existing.stage.names["invoices"]
    assert settings_of(stage, TABLE) == existing.before
    for bucket in (names.raw_bucket, names.results_bucket):
        stage.client("s3").create_multipart_upload(Bucket=bucket, Key="never-completed")

    assert delete(stage, ComputedNames("invoices", "local").stack) == "DELETE_COMPLETE"

    assert destinations(stage, TABLE) == {names.change_stream: "DISABLED"}
    assert settings_of(stage, TABLE) == existing.before
    items = stage.client("dynamodb").scan(TableName=TABLE)["Items"]
    assert sorted(int(item["number"]["N"]) for item in items) == [1, 2, 3, 4, 5]
    # a key that was given is nobody's to delete
    assert stage.client("kms").describe_key(KeyId=names.key_arn)["KeyMetadata"]["KeyState"] == "Enabled"


def test_the_functions_may_do_what_they_did_and_nothing_else(existing: Existing) -> None:
    """From the deployment to the deletion that the test before has made."""
    place = Place(existing.stage.names["invoices"])
    needed = {name: [need for call in existing.calls if call.caller == name for need in needs(call, place)]
              for name in FUNCTIONS}  # fmt: skip
    missing = {
        (name, need.action, need.resource)
        for name, policy in existing.policies.items()
        for need in needed[name]
        if not any(grant.covers(need) for grant in policy)
    }
    assert missing == set()
    unused = {
        (name, grant.action)
        for name, policy in existing.policies.items()
        for grant in policy
        if not any(grant.covers(need) for need in needed[name])
    }
    assert unused == set(UNUSED)


# --- the setting changes: the other table streams, the former one does not, and whoever sees to that may


OTHERS = ("former", "named")
FUNCTIONS_OF_TABLES = [ComputedNames("changing", "local").function(suffix_of(table)) for table in OTHERS]


@dataclasses.dataclass
class Streaming:
    """A stack of a change stream and what streams into it, deployed again and again."""

    stage: Deployed
    folder: Path
    policies: dict[str, list[Grant]] = dataclasses.field(default_factory=dict)
    role_events: set[str] = dataclasses.field(default_factory=set)
    stack: str = "streaming"

    def deploy(self, table: str | None, *, fails: bool = False) -> None:
        """Deploy it with the table that is named, or else with one that the stack makes."""
        out = self.folder / f"{table}-{fails}"
        app = aws_cdk.App(outdir=str(out))
        stack = aws_cdk.Stack(app, self.stack)
        stream = aws_cdk.aws_kinesis.Stream(stack, "Changes")
        key = aws_cdk.aws_kms.Key(stack, "Key")
        if table is None:
            streams: Any = SourceTable(
                stack, "Source", pipeline=declared.pipeline(), key=key, stream=stream, after=stream, keep_data=False
            )
        else:
            streams = ExistingTable(
                stack,
                "ExistingTable",
                names=ComputedNames("changing", "local"),
                pipeline=declared.pipeline(),
                table_name=table,
                key=key,
                stream=stream,
                after=stream,
                removal_policy=aws_cdk.RemovalPolicy.DESTROY,
            )
        if fails:
            neighbour = aws_cdk.aws_logs.CfnLogStream(stack, "Neighbour", log_group_name="a-group-that-is-nowhere")
            neighbour.node.add_dependency(streams)
        app.synth()
        try:
            deploy(out, self.stage.endpoint, local_stack.REGION)
        finally:
            for name in FUNCTIONS_OF_TABLES:
                with contextlib.suppress(ClientError):
                    self.policies[name] = list(grants(role_policy(self.stage, name)))
            events = self.stage.client("cloudformation").describe_stack_events(StackName=self.stack)["StackEvents"]
            self.role_events |= {one["ResourceStatus"] for one in events if one["ResourceType"] == "AWS::IAM::Role"}

    def tables(self) -> dict[str, list[str]]:
        """The states of each table's destinations."""
        resources = self.stage.client("cloudformation").describe_stack_resources(StackName=self.stack)["StackResources"]
        made = [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == "AWS::DynamoDB::Table"]
        found = {"made" if table in made else table: destinations(self.stage, table) for table in (*OTHERS, *made)}
        return {table: list(states.values()) for table, states in found.items()}


def test_a_table_that_is_named_instead_streams_and_the_former_one_does_not(deployed: Deployed, tmp_path: Path) -> None:
    dynamodb = deployed.client("dynamodb")
    for table in OTHERS:
        dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    streaming = Streaming(deployed, tmp_path)
    with pytest.MonkeyPatch.context() as patch, recording(FUNCTIONS_OF_TABLES, patch) as calls:
        streaming.deploy("former")
        assert streaming.tables() == {"former": ["ACTIVE"], "named": []}

        with pytest.raises(DeploymentError, match="ended in state UPDATE_ROLLBACK_COMPLETE"):
            streaming.deploy("named", fails=True)
        assert streaming.tables() == {"former": ["ACTIVE"], "named": ["DISABLED"]}

        streaming.deploy("named")
        assert streaming.tables() == {"former": ["DISABLED"], "named": ["ACTIVE"]}

        streaming.deploy(None)
        assert streaming.tables() == {"former": ["DISABLED"], "named": ["DISABLED"], "made": ["ACTIVE"]}
        assert delete(deployed, streaming.stack) == "DELETE_COMPLETE"

    account = deployed.client("sts").get_caller_identity()["Account"]
    (stream,) = {call.parameters["StreamArn"] for call in calls if "StreamArn" in call.parameters}
    names = {"region": local_stack.REGION, "account": account, "change_stream": stream.rpartition("/")[2]}
    place = Place(dataclasses.replace(declared.NAMES, **names))
    asked = {(call.caller, call.operation.removesuffix("KinesisStreamingDestination")) for call in calls}
    assert {(name, verb) for name in FUNCTIONS_OF_TABLES for verb in ("Enable", "Disable")} <= asked
    # no update has touched a role: what it was made with was in force at each call
    assert not any(state.startswith("UPDATE") for state in streaming.role_events), streaming.role_events
    assert [
        need
        for call in calls
        for need in needs(call, place)
        if not any(grant.covers(need) for grant in streaming.policies[call.caller])
    ] == []

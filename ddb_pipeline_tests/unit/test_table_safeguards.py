"""No table is lost, made anew, or found out to be unfit in the middle of a deployment: it is refused before."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.place import DeployedStack, Place
from ddb_pipeline.cli.table_keys import require_readable_afterwards
from ddb_pipeline.cli.table_safeguards import require_tables
from ddb_pipeline.declaration import BaselineKind, Declaration, KeyAttribute, load_declaration
from ddb_pipeline.resources.settings import Connection, Settings
from ddb_pipeline.toml_table import ByStage
from ddb_pipeline_tests.conftest import REPOSITORY

ACCOUNT, REGION = "111122223333", "eu-central-1"
MADE, STREAM = "dev-persons-Source", "ddb-change-analytics-dev-persons-ChangeStream"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/one"
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/other"
KEY_OF_STACK = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/of-the-stack"
DEPLOYED = {"persons": DeployedStack("UPDATE_COMPLETE", protected=True, outputs={"KeyArn": KEY_OF_STACK})}


def stream(name: str) -> str:
    return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"


def table(
    *streams: str, key: str = "pk", status: str = "ACTIVE", encrypted_with: str | None = None, **encryption: str
) -> dict[str, Any]:
    """What DynamoDB says of a table: itself, and its destinations."""
    return {
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "AttributeDefinitions": [
            {"AttributeName": "by_index", "AttributeType": "N"},
            {"AttributeName": key, "AttributeType": "S"},
        ],
        **({"SSEDescription": {"KMSMasterKeyArn": encrypted_with, **encryption}} if encrypted_with else {}),
        "destinations": [{"StreamArn": stream(name), "DestinationStatus": status} for name in streams],
    }


@dataclasses.dataclass
class Aws:
    """DynamoDB, KMS and CloudFormation, which can only be asked: any other call fails the test.

    Attributes:
        tables: What is there, by name.
        resources: Physical ids of the deployed stack's resources, by type.
        template: What the deployed template says of the stack's table, or a text instead of a template.
        denied: What DynamoDB may not be asked.
        manager: Who manages the KMS key; empty: KMS may not be asked.
    """

    tables: dict[str, dict[str, Any]]
    resources: dict[str, str]
    template: dict[str, Any] | str = dataclasses.field(default_factory=dict)
    denied: tuple[str, ...] = ()
    manager: str = "CUSTOMER"

    def _look(self, operation: str, name: str) -> dict[str, Any]:
        if operation in self.denied:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)
        if name not in self.tables:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}, operation)
        return self.tables[name]

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803 - boto3 names arguments as AWS does
        return {"Table": self._look("DescribeTable", TableName)}

    def describe_kinesis_streaming_destination(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        found = self._look("DescribeKinesisStreamingDestination", TableName)
        return {"KinesisDataStreamDestinations": found["destinations"]}

    def describe_continuous_backups(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        recovery = self._look("DescribeContinuousBackups", TableName).get("recovery")
        described = {} if recovery is None else {"PointInTimeRecoveryStatus": recovery}
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": described}}

    def describe_key(self, KeyId: str) -> dict[str, Any]:  # noqa: N803
        assert KeyId in {KEY, KEY_OF_STACK}
        if self.manager == "":
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeKey")
        return {"KeyMetadata": {"KeyManager": self.manager}}

    def get_template(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        assert StackName == "ddb-change-analytics-dev-persons"
        if isinstance(self.template, str):
            return {"TemplateBody": self.template}
        return {"TemplateBody": {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", **self.template}}}}

    def get_paginator(self, _operation: str) -> Aws:
        return self

    def paginate(self, **_request: str) -> list[dict[str, Any]]:
        names = ("ResourceType", "PhysicalResourceId", "ResourceStatus", "LogicalResourceId")
        gone = dict(zip(names, ("AWS::DynamoDB::Table", "an-earlier-one", "DELETE_SKIPPED", "Gone"), strict=True))
        there = [
            dict(zip(names, (kind, name, "UPDATE_COMPLETE", kind.rpartition(":")[2]), strict=True))
            for kind, name in self.resources.items()
        ]
        return [{"StackResourceSummaries": there}, {"StackResourceSummaries": [gone]}]


@dataclasses.dataclass(frozen=True)
class AskedPlace(Place):
    aws: Any = None

    def client(self, _service: str) -> Any:
        return self.aws


def declared(
    existing: str | None = None,
    *,
    table_key: str | None = None,
    stage_key: str | None = None,
    key: str = "pk",
    keep_data: bool = True,
    baseline: BaselineKind = "none",
) -> Declaration:
    own = load_declaration(REPOSITORY / "pipeline.toml")
    persons = dataclasses.replace(
        own.pipelines["persons"],
        partition_key=KeyAttribute(key, "S"),
        existing_table=ByStage(everywhere=existing),
        existing_table_key=ByStage(everywhere=table_key),
        baseline=baseline,
    )
    stage = dataclasses.replace(own.stages["dev"], encryption_key=stage_key, keep_data=keep_data)
    return dataclasses.replace(own, pipelines={"persons": persons}, stages={"dev": stage})


def asked(
    declaration: Declaration,
    *,
    made: dict[str, Any] | None = None,
    kept: bool = False,
    stacks: dict[str, DeployedStack] = DEPLOYED,
    denied: tuple[str, ...] = (),
    manager: str = "CUSTOMER",
    **tables: dict[str, Any],
) -> list[str]:
    resources = {"AWS::Kinesis::Stream": STREAM, "AWS::KMS::Key": "of-the-stack"}
    resources |= {} if made is None else {"AWS::DynamoDB::Table": MADE}
    there = tables | ({} if made is None else {MADE: made})
    template = template_of(made or table(), kept=kept)
    return require_tables(declaration, place(Aws(there, resources, template, denied, manager)), stacks)


def template_of(made: dict[str, Any], *, kept: bool) -> dict[str, Any]:
    """What the deployed template says of a table."""
    properties = {name: made[name] for name in ("KeySchema", "AttributeDefinitions")}
    return {"Properties": properties, "DeletionPolicy": "Retain" if kept else "Delete"}


def place(aws: Aws) -> Place:
    return AskedPlace(Settings("dev", Connection()), ACCOUNT, REGION, aws)


def refusal(*arguments: Any, **more: Any) -> str:
    with pytest.raises(UserError) as raised:
        asked(*arguments, **more)
    assert "nothing was deployed" in str(raised.value)
    return str(raised.value)


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


# --- a table of the stack's


def test_a_table_of_the_stack_keeps_its_key_or_an_empty_one_would_take_its_place():
    assert asked(declared(), made=table(STREAM)) == []

    said = refusal(declared(key="id"), made=table(STREAM))

    assert f"its table {MADE} has the key pk (S), and pipeline.toml says id (S)" in said
    assert "a pipeline of its own, or a stage that was destroyed before" in said


def test_where_nobody_may_look_at_the_table_the_deployed_template_says_its_key():
    denied = ("DescribeTable",)
    assert asked(declared(), made=table(STREAM), denied=denied) == []

    said = refusal(declared(key="id"), made=table(STREAM), denied=denied)

    assert f"its table {MADE} has the key pk (S), and pipeline.toml says id (S)" in said


@pytest.mark.parametrize("template", ["Resources: {}", '{"Resources": {}}'])
def test_a_template_that_cannot_be_read_allows_no_deployment_over_a_table(template):
    with pytest.raises(UserError, match=r"says nothing of its Table that can be read.*get-template.*was deployed$"):
        require_tables(declared(), place(Aws({MADE: table()}, {"AWS::DynamoDB::Table": MADE}, template)), DEPLOYED)


def test_a_stage_that_is_not_deployed_may_have_any_key():
    assert asked(declared(key="id"), stacks={}) == []


def test_a_table_of_the_stack_that_somebody_has_deleted_is_in_nobodys_way():
    assert require_tables(declared(key="id"), place(Aws({}, {"AWS::DynamoDB::Table": MADE})), DEPLOYED) == []


@pytest.mark.parametrize("denied", [(), ("DescribeTable",)])
def test_the_table_that_the_stack_made_is_not_named_as_existing_where_that_would_delete_it(denied, capsys):
    # what becomes of it is in the deployed template; whether it or the stack is protected now is another matter
    said = refusal(declared(MADE), made=table(STREAM), denied=denied)

    assert f"existing_table names {MADE}, the table that the stack made, and would delete with all its items" in said
    assert "take the name out, set keep_data = true, deploy, and name it then" in said
    asked(declared(MADE), made=table(STREAM), kept=True, denied=denied)
    assert f"table {MADE}, which the stack made, is kept, is yours from then on, and streams on" in printed(capsys)


def test_a_table_that_is_kept_beside_is_said_to_stream_on_with_the_command_that_ends_it(capsys):
    said = asked(declared("Orders"), made=table(STREAM), kept=True, Orders=table())

    (sentence,) = said
    assert sentence == (
        f"pipeline persons: table {MADE}, which the stack made, is kept, and streams on into the same change stream as "
        "Orders. Unless that is meant, disable it: aws dynamodb disable-kinesis-streaming-destination --table-name "
        f"{MADE} --stream-arn {stream(STREAM)}"
    )
    assert printed(capsys) == ""


def test_whether_a_table_that_is_kept_beside_streams_on_is_left_open_where_nobody_may_look():
    denied = ("DescribeKinesisStreamingDestination",)

    (sentence,) = asked(declared("Orders"), made=table(STREAM), kept=True, denied=denied, Orders=table())

    assert "is kept, and may stream on into the same change stream as Orders" in sentence
    assert f"aws dynamodb describe-kinesis-streaming-destination --table-name {MADE}" in sentence


def test_a_table_that_goes_is_said_to_go_before_it_does(capsys):
    assert asked(declared("Orders"), made=table(STREAM), Orders=table()) == []
    assert f"table {MADE}, which the stack made, is deleted with all its items" in printed(capsys)


# --- a table that exists


@pytest.mark.parametrize(
    "found",
    [
        table(),
        table(STREAM),
        table("theirs", status="DISABLED"),
        table("theirs", status="DISABLING"),
        table("theirs", status="ENABLE_FAILED"),
    ],
)
def test_a_table_that_streams_nowhere_else_can_be_streamed(found, capsys):
    assert asked(declared("Orders"), Orders=found) == []
    assert printed(capsys) == ""


def test_a_table_that_is_not_there_is_named_with_where_it_was_looked_for():
    said = refusal(declared("Orders"), stacks={})
    assert f"there is no table Orders in account {ACCOUNT}, region {REGION}" in said


def test_a_table_of_another_key_is_refused():
    said = refusal(declared("Orders"), Orders=table(key="id"))
    assert "table Orders has the key id (S), and pipeline.toml says pk (S): correct partition_key and sort_key" in said


@pytest.mark.parametrize("stacks", [DEPLOYED, {}])
def test_a_table_that_streams_elsewhere_is_refused_with_the_command_that_ends_that(stacks):
    said = refusal(declared("Orders"), stacks=stacks, Orders=table("theirs", status="UPDATING"))
    assert "if nothing needs that stream any more, disable it: aws dynamodb disable-kinesis" in said
    assert said.endswith(f"--table-name Orders --stream-arn {stream('theirs')}")
    assert "stream of this project" not in said


def test_a_table_that_another_stage_streams_is_first_of_all_that_stages():
    said = refusal(declared("Orders"), Orders=table("ddb-change-analytics-prod-persons-ChangeStream"))
    assert "if another stage or pipeline has the table, let existing_table name it for one of them only" in said


def test_who_may_not_look_at_tables_deploys_all_the_same(capsys):
    assert asked(declared("Orders"), denied=("DescribeTable",)) == []
    assert "table Orders could not be looked at: AWS denies DescribeTable" in printed(capsys)


def test_what_is_known_of_a_table_counts_where_nobody_may_see_where_it_streams_to(capsys):
    denied = ("DescribeKinesisStreamingDestination",)
    assert "table Orders has the key id (S)" in refusal(declared("Orders"), denied=denied, Orders=table(key="id"))
    assert asked(declared("Orders"), denied=denied, Orders=table("theirs")) == []
    assert "streaming of table Orders could not be looked at" in printed(capsys)


def test_a_table_that_is_to_be_exported_and_cannot_be_is_said_with_the_command_and_deployed_all_the_same():
    exported = declared("Orders", baseline="export")

    (sentence,) = asked(exported, Orders=table())

    assert "point-in-time recovery of table Orders is off, and each baseline, which is an export, fails" in sentence
    assert sentence.endswith(
        "aws dynamodb update-continuous-backups --table-name Orders "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    )
    assert asked(exported, Orders=table() | {"recovery": "DISABLED"}) == [sentence]
    assert asked(exported, Orders=table() | {"recovery": "ENABLED"}) == []
    assert asked(declared("Orders", baseline="snapshot"), Orders=table()) == []
    # the stack's own table is exported, too: the stack switches it on
    assert asked(declared(baseline="export"), made=table(STREAM)) == []


def test_who_may_not_see_whether_a_table_can_be_exported_is_told_that_alone(capsys):
    assert asked(declared("Orders", baseline="export"), denied=("DescribeContinuousBackups",), Orders=table()) == []
    assert "point-in-time recovery of table Orders could not be looked at" in printed(capsys)


# --- keys of KMS


@pytest.mark.parametrize(
    ("encrypted_with", "advice"),
    [(OTHER_KEY, f"is encrypted with {OTHER_KEY}: say that one"), (None, "leave stage dev out there")],
)
def test_another_key_than_the_one_that_encrypts_the_table_is_refused(encrypted_with, advice):
    said = refusal(declared("Orders", table_key=KEY), Orders=table(encrypted_with=encrypted_with))
    assert f"existing_table_key says {KEY}, and table Orders is encrypted with" in said
    assert advice in said
    assert asked(declared("Orders", table_key=KEY), Orders=table(encrypted_with=KEY)) == []


@pytest.mark.parametrize(
    ("manager", "whose"), [("CUSTOMER", "which is yours"), ("AWS", None), ("", "which may be yours")]
)
def test_a_key_of_the_users_own_that_is_not_declared_is_said(manager, whose, capsys):
    assert asked(declared("Orders"), Orders=table(encrypted_with=KEY), manager=manager) == []
    said = printed(capsys)
    assert ("say so in existing_table_key" in said) is (whose is not None)
    assert whose is None or f"table Orders is encrypted with {KEY}, {whose}: say so in existing_table_key" in said


def test_a_stages_key_is_in_the_region_of_the_stage_and_may_be_of_another_account(capsys):
    elsewhere = "arn:aws:kms:us-east-1:111122223333:key/one"
    assert f"is a key in us-east-1, and the stage is deployed to {REGION}" in refusal(declared(stage_key=elsewhere))

    assert asked(declared(stage_key=KEY)) == []
    assert printed(capsys) == ""
    assert asked(declared(stage_key=KEY.replace(ACCOUNT, "4" * 12))) == []
    assert "a key of account 444444444444, and the stage is deployed to account 111122223333" in printed(capsys)


COMMAND = "aws dynamodb update-table --table-name {} --sse-specification Enabled=false"


@pytest.mark.parametrize("existing", [MADE, "Orders"])
@pytest.mark.parametrize("denied", [(), ("DescribeTable",)])
def test_a_table_that_leaves_its_stack_is_said_to_need_another_key_while_the_stack_knows_its_name(existing, denied):
    made = table(encrypted_with=KEY_OF_STACK)

    said = asked(declared(existing), made=made, kept=True, denied=denied, Orders=table())

    assert f"table {MADE} is encrypted with {KEY_OF_STACK}, the key of the stack, which is deleted" in said[-1]
    assert COMMAND.format(MADE) in said[-1]


def test_a_table_with_a_key_that_outlives_the_stack_needs_no_other_one():
    given = {"persons": dataclasses.replace(DEPLOYED["persons"], outputs={"KeyArn": KEY})}

    assert asked(declared(MADE, table_key=KEY), made=table(encrypted_with=KEY), kept=True) == []
    assert asked(declared(MADE, stage_key=KEY), made=table(encrypted_with=KEY), kept=True, stacks=given) == []


def test_a_stage_does_not_give_up_a_key_that_encrypts_a_table_that_stays():
    encrypted = table(encrypted_with=KEY_OF_STACK)

    said = refusal(declared("Orders", keep_data=False), Orders=encrypted)

    assert f"table Orders stays, and is encrypted with {KEY_OF_STACK}, the key that the stack made" in said
    assert COMMAND.format("Orders") in said
    assert asked(declared("Orders"), Orders=encrypted) == []
    assert asked(declared("Orders", keep_data=False), Orders=table()) == []


@pytest.mark.parametrize(
    ("found", "denied", "said"),
    [
        (table(encrypted_with=KEY_OF_STACK), (), COMMAND.format("Orders")),
        (table(encrypted_with=KEY, Status="UPDATING"), (), "is getting another key at this moment"),
        (table(), ("DescribeTable",), "use credentials that may look"),
        (table(encrypted_with=KEY, Status="ENABLED"), (), None),
        (table(), ("DescribeKinesisStreamingDestination",), None),
        (None, (), None),
    ],
)
@pytest.mark.parametrize("is_made", [True, False])
def test_no_stage_is_destroyed_with_the_key_of_a_table_that_stays(found, denied, said, is_made):
    tables = {} if found is None else {"Orders": found}
    here = place(Aws(tables, {"AWS::KMS::Key": "of-the-stack"} if is_made else {}, denied=denied))
    # a key that was given to the stage stays, whatever it encrypts
    if said is None or not is_made:
        require_readable_afterwards(declared("Orders", keep_data=False), here, DEPLOYED)
    else:
        with pytest.raises(UserError, match=rf"{said}.*nothing was destroyed"):
            require_readable_afterwards(declared("Orders", keep_data=False), here, DEPLOYED)

"""Taking a stack away again: what is left of a stage that keeps its data, and of one that does not."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.cli import local_stack
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.local_aws.deployment import deploy
from ddb_pipeline.names import ComputedNames
from ddb_pipeline_tests.deployed import wait_until
from ddb_pipeline_tests.end_to_end.processes import command, free_port, project_copy

CDK_ASSETS = "cdk-hnb659fds-assets"


class Account:
    """What there is in the account, service by service, without what `cdk bootstrap` made."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def client(self, service: str) -> Any:
        return local_stack.client(service, self.endpoint)

    def contents(self) -> dict[str, int]:
        """How much there is of each kind of thing, as far as there is any."""
        client = self.client
        buckets = [item["Name"] for item in client("s3").list_buckets()["Buckets"]]
        keys = [item["KeyId"] for item in client("kms").list_keys()["Keys"]]
        states = [client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in keys]
        found = {
            "tables": len(client("dynamodb").list_tables()["TableNames"]),
            "streams": len(client("kinesis").list_streams()["StreamNames"]),
            "delivery streams": len(client("firehose").list_delivery_streams()["DeliveryStreamNames"]),
            "databases": len(client("glue").get_databases()["DatabaseList"]),
            "crawlers": len(client("glue").get_crawlers()["Crawlers"]),
            "workgroups": len(
                [1 for one in client("athena").list_work_groups()["WorkGroups"] if one["Name"] != "primary"]
            ),
            "functions": len(client("lambda").list_functions()["Functions"]),
            "roles": len(client("iam").list_roles()["Roles"]),
            "policies": len(client("iam").list_policies(Scope="Local")["Policies"]),
            "parameters": len(client("ssm").describe_parameters()["Parameters"]) - 1,
            "alarms": len(client("cloudwatch").describe_alarms()["MetricAlarms"]),
            "topics": len(client("sns").list_topics()["Topics"]),
            "log groups": len(client("logs").describe_log_groups()["logGroups"]),
            "buckets": len([name for name in buckets if not name.startswith(CDK_ASSETS)]),
            "keys": states.count("Enabled"),
            "keys pending deletion": states.count("PendingDeletion"),
        }
        return {name: count for name, count in found.items() if count}

    def delete(self, stack_id: str) -> tuple[str, str]:
        """State of a stack after its deletion, and what its events say."""
        cloudformation = self.client("cloudformation")
        cloudformation.delete_stack(StackName=stack_id)
        status = lambda: cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]  # noqa: E731
        wait_until(lambda: not status().endswith("_IN_PROGRESS"), "the deletion has ended")
        events = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
        return status(), "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def stack(self) -> tuple[str, dict[str, str]]:
        """Id and outputs of the stack."""
        name = ComputedNames("persons", local_stack.STAGE).stack
        (found,) = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return found["StackId"], {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def test_a_stage_goes_whole_or_keeps_its_data_as_it_says(tmp_path):
    project, port = project_copy(tmp_path), free_port()
    account = Account(f"http://127.0.0.1:{port}")
    s3 = account.client("s3")
    with command(["ddb_pipeline.cli", "local", "up", "--port", str(port)], project) as local_aws:
        local_aws.wait_for("until Ctrl-C")
        stack_id, outputs = account.stack()
        # objects, old versions and an upload that nobody completed are no obstacle
        s3.put_bucket_versioning(Bucket=outputs["RawBucket"], VersioningConfiguration={"Status": "Enabled"})
        for body in (b"1", b"2"):
            s3.put_object(Bucket=outputs["RawBucket"], Key="changes/one", Body=body)
        s3.delete_object(Bucket=outputs["RawBucket"], Key="changes/one")
        s3.create_multipart_upload(Bucket=outputs["RawBucket"], Key="changes/two")
        s3.put_object(Bucket=outputs["ResultsBucket"], Key="queries/one.csv", Body=b"1")

        status, reasons = account.delete(stack_id)

        assert status == "DELETE_COMPLETE", reasons
        assert account.contents() == {"keys pending deletion": 1}

        # --- made again, the stage comes to keep its data: the update takes the emptier away, and empties nothing
        deploy(project / ".local-aws" / "cdk.out", account.endpoint, local_stack.REGION)
        _, outputs = account.stack()
        s3.put_object(Bucket=outputs["RawBucket"], Key="changes/one", Body=b"1")
        file = project / "pipeline.toml"
        text = file.read_text(encoding="utf-8")
        start, end = text.index("keep_data = false"), text.index("[stages.dev]")
        file.write_text(text[:start] + "keep_data = true\n\n" + text[end:], encoding="utf-8")
        assembly = local_stack.synthesize(load_declaration(file), project / "cdk.out")
        deploy(assembly, account.endpoint, local_stack.REGION)

        stack_id, outputs = account.stack()
        assert s3.list_objects_v2(Bucket=outputs["RawBucket"])["KeyCount"] == 1
        functions = [one["FunctionName"] for one in account.client("lambda").list_functions()["Functions"]]
        assert not [name for name in functions if "emptier" in name]

        # --- and refuses to be deleted; without that protection, the data stays
        with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
            account.delete(stack_id)
        account.client("cloudformation").update_termination_protection(
            StackName=stack_id, EnableTerminationProtection=False
        )
        status, reasons = account.delete(stack_id)

        assert status == "DELETE_COMPLETE", reasons
        kept = {"tables": 1, "buckets": 2, "keys": 1, "log groups": 3}
        assert account.contents() == {**kept, "keys pending deletion": 1}
        assert s3.list_objects_v2(Bucket=outputs["RawBucket"])["KeyCount"] == 1
        table = account.client("dynamodb").describe_table(TableName=outputs["Table"])["Table"]
        assert table["DeletionProtectionEnabled"]
        assert local_aws.interrupt() == 0

"""Taking the stack away again: what CloudFormation refuses, and that nothing is left when it has not."""

from __future__ import annotations

import pytest

from ddb_pipeline.cli import local_stack
from ddb_pipeline.names import ComputedNames
from ddb_pipeline_tests.deployed import wait_until
from ddb_pipeline_tests.end_to_end.processes import command, free_port, project_copy

pytestmark = pytest.mark.xdist_group("stack_deletion")


def test_a_stack_goes_once_its_buckets_are_empty_and_leaves_nothing(tmp_path):
    project, port = project_copy(tmp_path), free_port()
    endpoint = f"http://127.0.0.1:{port}"
    cloudformation, s3, kms = (local_stack.client(name, endpoint) for name in ("cloudformation", "s3", "kms"))

    def delete(stack: str) -> str:
        cloudformation.delete_stack(StackName=stack)
        status = lambda: cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]  # noqa: E731
        wait_until(lambda: status() != "DELETE_IN_PROGRESS", "the deletion has ended")
        return status()

    with command(["ddb_pipeline.cli", "local", "up", "--port", str(port)], project) as local_aws:
        local_aws.wait_for("until Ctrl-C")
        stack = cloudformation.describe_stacks(StackName=ComputedNames("persons", "local").stack)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        s3.put_object(Bucket=outputs["RawBucket"], Key="changes/one", Body=b"1")

        assert delete(stack["StackId"]) == "DELETE_FAILED"
        events = cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
        assert "not empty" in "".join(event.get("ResourceStatusReason", "") for event in events)
        # what the bucket needs stays as well
        assert kms.describe_key(KeyId=outputs["KeyArn"])["KeyMetadata"]["KeyState"] == "Enabled"

        s3.delete_object(Bucket=outputs["RawBucket"], Key="changes/one")
        assert delete(stack["StackId"]) == "DELETE_COMPLETE"
        left = {
            "dynamodb": lambda client: client.list_tables()["TableNames"],
            "kinesis": lambda client: client.list_streams()["StreamNames"],
            "firehose": lambda client: client.list_delivery_streams()["DeliveryStreamNames"],
            "glue": lambda client: client.get_databases()["DatabaseList"],
            "lambda": lambda client: client.list_functions()["Functions"],
        }
        assert {name: of(local_stack.client(name, endpoint)) for name, of in left.items()} == {key: [] for key in left}
        assert local_aws.interrupt() == 0

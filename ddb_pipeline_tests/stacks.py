"""CloudFormation as tests use it: each call waits for what it began."""

from __future__ import annotations

import json
import time
import uuid
from functools import cache
from typing import Any

import boto3

# a region of their own keeps these stacks apart from those of the other tests
REGION = "eu-west-1"


class Stacks:
    """CloudFormation, waiting for what it is told to do."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.names: list[str] = []

    @cache  # noqa: B019 - lives as long as its test
    def client(self, service: str) -> Any:
        session: Any = boto3.session.Session("test", "test", region_name=REGION)
        return session.client(service, endpoint_url=self._endpoint)

    def create(self, template: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        name = f"stack-{uuid.uuid4().hex[:8]}"
        self.names.append(name)
        self.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template), **arguments)
        return self.settled(name)

    def update(self, name: str, template: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        self.client("cloudformation").update_stack(StackName=name, TemplateBody=json.dumps(template), **arguments)
        return self.settled(name)

    def delete(self, stack_id: str) -> dict[str, Any]:
        self.client("cloudformation").delete_stack(StackName=stack_id)
        return self.settled(stack_id)

    def settled(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while True:
            stack: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("_IN_PROGRESS") or stack["StackStatus"] == "REVIEW_IN_PROGRESS":
                return stack
            assert time.monotonic() < deadline, stack["StackStatus"]
            time.sleep(0.05)

    def settled_or_gone(self, name: str) -> None:
        """Wait until nobody works on a stack, which may have gone by then."""
        from botocore.exceptions import ClientError

        try:
            self.settled(name)
        except ClientError as error:
            if "does not exist" not in str(error):
                raise

    def events(self, name: str) -> list[dict[str, Any]]:
        """Oldest first."""
        return list(reversed(self.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]))

    def reasons(self, name: str) -> str:
        return "\n".join(event.get("ResourceStatusReason", "") for event in self.events(name))

    def physical_id(self, name: str, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resource(StackName=name, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

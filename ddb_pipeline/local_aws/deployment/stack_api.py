"""CloudFormation's API over our own stacks: moto's would skip most of the template's types and still say complete.

Requests are parsed and answers written by moto's core from botocore's model of the service.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import convert_to_flask_response
from moto.moto_server.werkzeug_app import BackendRequest

from ddb_pipeline.local_aws.deployment.change_set_api import ChangeSetOperations
from ddb_pipeline.local_aws.deployment.errors import ValidationError
from ddb_pipeline.local_aws.deployment.stack import Request, Stack
from ddb_pipeline.local_aws.deployment.stack_requests import refuse_other_modes, requested_parameters


class StackResponse(ChangeSetOperations):
    """The operations; each method is one (API_Operations.html)."""

    def create_stack(self) -> ActionResult:
        """Answer CreateStack."""
        settings = self.settings()
        request = Request(self.template(settings), requested_parameters(settings, None), settings)
        return ActionResult({"StackId": self.backend.create(settings["StackName"], request).stack_id})

    def update_stack(self) -> ActionResult:
        """Answer UpdateStack."""
        settings = self.settings("UsePreviousTemplate")
        stack = self.backend.find(settings["StackName"])
        text = self.new_or_previous_template(settings)
        request = Request(text, requested_parameters(settings, stack), settings)
        return ActionResult({"StackId": self.backend.update(stack.stack_id, request).stack_id})

    def delete_stack(self) -> EmptyResult:
        """Answer DeleteStack."""
        refused = set(self.params) - {
            "ClientRequestToken",
            "DeploymentConfig",
            "RetainResources",
            "RoleARN",
            "StackName",
        }
        if refused:
            raise NotImplementedError(f"{', '.join(sorted(refused))} of DeleteStack")
        refuse_other_modes(self.params)
        self.backend.delete(self.params["StackName"], self.params.get("RetainResources") or ())
        return EmptyResult()

    def update_termination_protection(self) -> ActionResult:
        """Answer UpdateTerminationProtection."""
        stack = self.backend.protect(self.params["StackName"], enabled=bool(self.params["EnableTerminationProtection"]))
        return ActionResult({"StackId": stack.stack_id})

    def describe_stacks(self) -> ActionResult:
        """Answer DescribeStacks."""
        name = self.params.get("StackName")
        stacks = [self.backend.find(name)] if name else [s for s in self._all() if s.deleted_at is None]
        return ActionResult({"Stacks": [_described(stack) for stack in stacks]})

    def list_stacks(self) -> ActionResult:
        """Answer ListStacks."""
        wanted = self.params.get("StackStatusFilter")
        summaries = [_described(stack) for stack in self._all() if not wanted or stack.status in wanted]
        return ActionResult({"StackSummaries": summaries})

    def describe_stack_events(self) -> ActionResult:
        """Answer DescribeStackEvents, the newest first."""
        stack = self.backend.find(self.params["StackName"])
        events = [
            {
                "StackId": stack.stack_id,
                "StackName": stack.name,
                "EventId": event.event_id,
                "LogicalResourceId": event.logical_id,
                "PhysicalResourceId": event.physical_id,
                "ResourceType": event.resource_type,
                "ResourceStatus": event.status,
                "ResourceStatusReason": event.reason,
                "Timestamp": event.timestamp,
            }
            for event in reversed(stack.events)
        ]
        return ActionResult({"StackEvents": events})

    def list_stack_resources(self) -> ActionResult:
        """Answer ListStackResources."""
        stack = self.backend.find(self.params["StackName"])
        return ActionResult({"StackResourceSummaries": self._resources(stack, "LastUpdatedTimestamp")})

    def describe_stack_resources(self) -> ActionResult:
        """Answer DescribeStackResources."""
        stack = self.backend.find(self.params["StackName"])
        only = self.params.get("LogicalResourceId")
        resources = [
            item for item in self._resources(stack, "Timestamp") if only is None or item["LogicalResourceId"] == only
        ]
        return ActionResult({"StackResources": resources})

    def describe_stack_resource(self) -> ActionResult:
        """Answer DescribeStackResource."""
        stack, name = self.backend.find(self.params["StackName"]), self.params["LogicalResourceId"]
        for item in self._resources(stack, "LastUpdatedTimestamp"):
            if item["LogicalResourceId"] == name:
                return ActionResult({"StackResourceDetail": item})
        raise ValidationError(f"Resource {name} does not exist for stack {stack.name}")

    def get_template(self) -> ActionResult:
        """Answer GetTemplate."""
        if self.params.get("ChangeSetName"):
            _, change_set = self.backend.find_change_set(self.params["ChangeSetName"], self.params.get("StackName"))
            text = change_set.wanted.text
        else:
            stack = self.backend.find(self.params["StackName"])
            # a stack that waits for its first change set has no template yet; the CDK's command line compares with it
            text = "" if stack.status == "REVIEW_IN_PROGRESS" else stack.now.text
        return ActionResult({"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]})

    def list_exports(self) -> ActionResult:
        """Answer ListExports."""
        exports = [
            {"ExportingStackId": stack.stack_id, "Name": name, "Value": value}
            for stack in self._all()
            if stack.deleted_at is None
            for name, value in stack.exports.items()
        ]
        return ActionResult({"Exports": exports})

    def _all(self) -> list[Stack]:
        return list(self.backend.stacks.values())

    @staticmethod
    def _resources(stack: Stack, time_name: str) -> list[dict[str, Any]]:
        return [
            {
                "StackId": stack.stack_id,
                "StackName": stack.name,
                "LogicalResourceId": name,
                "PhysicalResourceId": existing.made.physical_id,
                "ResourceType": existing.resource.type,
                "ResourceStatus": existing.status,
                time_name: existing.timestamp,
            }
            for name, existing in list(stack.existing.items())
        ]


def create_stack_app() -> Flask:
    """The Flask application that answers for CloudFormation, as moto makes one for each of its services."""
    app = Flask("local_aws_cloudformation")
    app.debug = True  # errors reach the gateway as exceptions
    app.request_class = BackendRequest
    app.add_url_rule(
        "/",
        endpoint="cloudformation",
        methods=["GET", "POST"],
        view_func=convert_to_flask_response(StackResponse.dispatch),
    )
    return app


def _described(stack: Stack) -> dict[str, Any]:
    return {
        "StackName": stack.name,
        "StackId": stack.stack_id,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "Description": stack.now.document.get("Description"),
        "TemplateDescription": stack.now.document.get("Description"),
        "CreationTime": stack.created_at,
        "LastUpdatedTime": stack.updated_at,
        "DeletionTime": stack.deleted_at,
        "Outputs": stack.outputs,
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": str(stack.now.scope.values[name])}
            for name in stack.now.document.get("Parameters", {})
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in stack.now.tags.items()],
        "DisableRollback": stack.now.on_failure == "DO_NOTHING",
        "EnableTerminationProtection": stack.termination_protection,
    }

"""CloudFormation's API over our own stacks: moto's would skip most of the template's types and still say complete.

Requests are parsed and answers written by moto's core from botocore's model of the service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError
from flask import Flask
from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.core.utils import convert_to_flask_response
from moto.moto_server.werkzeug_app import BackendRequest

from ddb_pipeline.local_aws.deployment.stack import Stack
from ddb_pipeline.local_aws.deployment.stack_backend import StackBackend, ValidationError, stack_backends

# accepted, and without meaning here: nobody's permissions are checked, and a request is never sent twice
_WITHOUT_EFFECT = {"Capabilities", "ClientRequestToken", "RoleARN"}
_UNDERSTOOD = {
    "DisableRollback",
    "EnableTerminationProtection",
    "OnFailure",
    "Parameters",
    "StackName",
    "Tags",
    "TemplateBody",
    "TemplateURL",
}


class StackResponse(BaseResponse):
    """The operations; each method is one (API_Operations.html)."""

    def __init__(self) -> None:
        super().__init__(service_name="cloudformation")
        self.automated_parameter_parsing = True

    @property
    def backend(self) -> StackBackend:
        """The stacks of the request's account and region."""
        return stack_backends[self.current_account][self.region]

    def create_stack(self) -> ActionResult:
        """Answer CreateStack."""
        settings = self._settings()
        text = self._template(settings)
        if text is None:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        stack = self.backend.create(settings["StackName"], text, _parameters(settings, {}), settings)
        return ActionResult({"StackId": stack.stack_id})

    def update_stack(self) -> ActionResult:
        """Answer UpdateStack."""
        settings = self._settings("UsePreviousTemplate")
        previous = self.backend.find(settings["StackName"]).scope.values
        text = self._template(settings)
        if text is None and not settings.get("UsePreviousTemplate"):
            raise ValidationError("Either Template URL or Template Body must be specified.")
        stack = self.backend.update(settings["StackName"], text, _parameters(settings, previous))
        return ActionResult({"StackId": stack.stack_id})

    def delete_stack(self) -> EmptyResult:
        """Answer DeleteStack."""
        refused = set(self.params) - {"StackName", "ClientRequestToken", "RoleARN"}
        if refused:
            raise NotImplementedError(f"{', '.join(sorted(refused))} of DeleteStack")
        self.backend.delete(self.params["StackName"])
        return EmptyResult()

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
        stack = self.backend.find(self.params["StackName"])
        return ActionResult({"TemplateBody": stack.text, "StagesAvailable": ["Original", "Processed"]})

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

    def _settings(self, *more: str) -> dict[str, Any]:
        """The request's parameters, all of which must have a meaning here."""
        settings = dict(self.params)
        refused = set(settings) - _UNDERSTOOD - _WITHOUT_EFFECT - set(more)
        if refused:
            raise NotImplementedError(f"{', '.join(sorted(refused))} of this operation")
        return settings

    def _template(self, settings: Mapping[str, Any]) -> str | None:
        if settings.get("TemplateBody"):
            return str(settings["TemplateBody"])
        if not settings.get("TemplateURL"):
            return None
        bucket, key = bucket_and_key(str(settings["TemplateURL"]))
        try:
            return str(self.backend.clients("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8"))
        except ClientError as error:
            raise ValidationError(f"S3 error: {error}") from error
        except UnicodeDecodeError as error:
            raise ValidationError(f"the template is not UTF-8 text: {error}") from error

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


def bucket_and_key(url: str) -> tuple[str, str]:
    """The bucket and key of an S3 URL, with the bucket in the host name or in the path.

    Raises:
        ValidationError: It is none.
    """
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    named = re.fullmatch(r"(.+)\.s3[.-](?:.*\.)?(?:amazonaws\.com|localhost)", host) or re.fullmatch(
        r"(.+)\.(?:s3\.)?localhost", host
    )
    if named is not None:
        return named.group(1), path
    bucket, slash, key = path.partition("/")
    if not slash or not key:
        raise ValidationError(f"TemplateURL must be a supported URL: {url}")
    return bucket, key


def _parameters(settings: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, str]:
    values = {}
    for parameter in settings.get("Parameters") or []:
        name = parameter["ParameterKey"]
        values[name] = previous[name] if parameter.get("UsePreviousValue") else parameter["ParameterValue"]
    return values


def _described(stack: Stack) -> dict[str, Any]:
    return {
        "StackName": stack.name,
        "StackId": stack.stack_id,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "Description": stack.document.get("Description"),
        "TemplateDescription": stack.document.get("Description"),
        "CreationTime": stack.created_at,
        "LastUpdatedTime": stack.updated_at,
        "DeletionTime": stack.deleted_at,
        "Outputs": stack.outputs,
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": str(stack.scope.values[name])}
            for name in stack.document.get("Parameters", {})
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
        "DisableRollback": stack.keeps_failures,
        "EnableTerminationProtection": stack.termination_protection,
    }

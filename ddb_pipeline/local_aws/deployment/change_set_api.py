"""CloudFormation's operations on change sets, which the CDK's own command line and `aws cloudformation deploy` use."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from ddb_pipeline.local_aws.deployment.stack import Request, Stack
from ddb_pipeline.local_aws.deployment.stack_requests import StackRequests, requested_parameters

_MORE = (
    "ChangeSetName",
    "ChangeSetType",
    "ClientToken",
    "Description",
    "ImportExistingResources",
    "IncludeNestedStacks",
    "OnStackFailure",
    "UsePreviousTemplate",
)


class ChangeSetOperations(StackRequests):
    """A part of the API; each method is one operation."""

    def create_change_set(self) -> ActionResult:
        """Answer CreateChangeSet."""
        settings = self.settings(*_MORE)
        # IncludeNestedStacks may be on: local AWS has no nested stacks, and refuses a template with one
        asked = ["ImportExistingResources"] if settings.get("ImportExistingResources") else []
        if settings.get("ChangeSetType") not in {None, "CREATE", "UPDATE"}:
            asked.append(f"ChangeSetType {settings['ChangeSetType']}")
        if asked:
            raise NotImplementedError(f"{', '.join(asked)} of CreateChangeSet")
        text = self.new_or_previous_template(settings)
        known = None if settings.get("ChangeSetType") == "CREATE" else self.backend.find(settings["StackName"])
        request = Request(text, requested_parameters(settings, known), settings)
        stack, change_set = self.backend.create_change_set(settings["StackName"], settings["ChangeSetName"], request)
        return ActionResult({"Id": change_set.change_set_id, "StackId": stack.stack_id})

    def describe_change_set(self) -> ActionResult:
        """Answer DescribeChangeSet."""
        stack, change_set = self.backend.find_change_set(self.params["ChangeSetName"], self.params.get("StackName"))
        wanted = change_set.wanted
        return ActionResult(
            {
                **change_set.summary(_named(stack)),
                "Parameters": [
                    {"ParameterKey": name, "ParameterValue": str(wanted.scope.values[name])}
                    for name in wanted.document.get("Parameters", {})
                ],
                "Tags": [{"Key": key, "Value": value} for key, value in wanted.tags.items()],
                "Capabilities": ["CAPABILITY_NAMED_IAM"],
                "OnStackFailure": wanted.on_failure,
                "Changes": [change.described() for change in change_set.changes],
            }
        )

    def list_change_sets(self) -> ActionResult:
        """Answer ListChangeSets."""
        stack = self.backend.find(self.params["StackName"])
        return ActionResult({"Summaries": [item.summary(_named(stack)) for item in stack.change_sets.values()]})

    def execute_change_set(self) -> EmptyResult:
        """Answer ExecuteChangeSet."""
        if self.params.get("RetainExceptOnCreate"):
            raise NotImplementedError("RetainExceptOnCreate of ExecuteChangeSet")
        keeps_failures = self.params.get("DisableRollback")
        self.backend.execute_change_set(
            self.params["ChangeSetName"], self.params.get("StackName"), keeps_failures=keeps_failures
        )
        return EmptyResult()

    def delete_change_set(self) -> EmptyResult:
        """Answer DeleteChangeSet."""
        self.backend.delete_change_set(self.params["ChangeSetName"], self.params.get("StackName"))
        return EmptyResult()


def _named(stack: Stack) -> dict[str, Any]:
    return {"StackId": stack.stack_id, "StackName": stack.name}

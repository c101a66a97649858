"""A stack's outputs, worked out from its template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ddb_pipeline.local_aws.deployment.intrinsic_functions import TemplateError

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.deployment.stack import Stack


def published_outputs(stack: Stack, exports: Mapping[str, str]) -> list[dict[str, str]]:
    """The outputs as DescribeStacks shows them.

    Args:
        stack: The stack, its resources made.
        exports: What all stacks export.

    Raises:
        KeyError: An output lacks its value.
        TemplateError: An output refers to nothing, or is exported under a name that another stack has.
    """
    outputs = []
    scope = stack.now.scope
    for name, output in stack.now.document.get("Outputs", {}).items():
        if "Condition" in output and not scope.holds({"Condition": output["Condition"]}):
            continue
        entry = {"OutputKey": name, "OutputValue": str(scope.resolve(output["Value"]))}
        if "Description" in output:
            entry["Description"] = output["Description"]
        if "Export" in output:
            export = entry["ExportName"] = str(scope.resolve(output["Export"]["Name"]))
            if export in exports and export not in stack.exports:
                raise TemplateError(f"Export with name {export} is already exported by another stack")
        outputs.append(entry)
    return outputs

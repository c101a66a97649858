"""What a stack was deployed with: its template says what becomes of a resource, whatever `pipeline.toml` says since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.place import Place


def deployed_resources(place: Place, stack: str) -> dict[str, Mapping[str, Any]]:
    """Return the resources of the deployed template by their logical ids; none, where it cannot be read.

    Raises:
        PipelineError: CloudFormation cannot be asked.
    """
    with place.explained():
        template = place.client("cloudformation").get_template(StackName=stack)["TemplateBody"]
    # botocore reads what is JSON, as all that the CDK deploys is, and leaves anything else a text
    return dict(template.get("Resources", {})) if isinstance(template, Mapping) else {}


def deployed_resource(place: Place, stack: str, logical_id: str, so: str) -> Mapping[str, Any]:
    """Return a resource as the deployed template declares it.

    Args:
        place: Where the stack is.
        stack: Its name.
        logical_id: Name of the resource in the template.
        so: What follows if the template does not say it, for the end of the sentence.

    Raises:
        UserError: It does not.
        PipelineError: CloudFormation cannot be asked.
    """
    resource = deployed_resources(place, stack).get(logical_id)
    if resource is None:
        raise UserError(
            f"the template that stack {stack} was deployed with says nothing of its {logical_id} that can be read; "
            f"somebody else has deployed it: look at it with `aws cloudformation get-template --stack-name {stack}`; "
            f"{so}"
        )
    return resource


def keeps_its_data(place: Place, stack: str) -> bool:
    """Whether buckets and table of a stack stay when it is deleted.

    Raises:
        PipelineError: CloudFormation cannot be asked.
    """
    with_data = [
        str(resource.get("DeletionPolicy", "Delete"))
        for resource in deployed_resources(place, stack).values()
        if resource["Type"] in {"AWS::S3::Bucket", "AWS::DynamoDB::Table"}
    ]
    return bool(with_data) and all(policy.startswith("Retain") for policy in with_data)

"""Publishes every name that the pipeline needs: as one SSM parameter, and as outputs of the stack for people."""

from __future__ import annotations

from dataclasses import asdict

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from ddb_pipeline.names import ComputedNames, PublishedNames


class Publication(Construct):
    """The SSM parameter with `PublishedNames` as JSON, and one output per name.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Name of the parameter.
        published: The names; values that CloudFormation decides are tokens.
        policy_arn: ARN of the policy for Dagster, an output only.
        upkeep_policy_arn: ARN of the policy for what Dagster does beside, an output only.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        published: PublishedNames,
        policy_arn: str,
        upkeep_policy_arn: str,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        ssm.CfnParameter(
            self,
            "Resource",
            type="String",
            name=names.parameter,
            description="Names that ddb_pipeline reads at run time",
            # keeps the JSON valid when CloudFormation puts the values in
            value=stack.to_json_string(asdict(published)),
        )
        outputs = {
            **asdict(published),
            "parameter": names.parameter,
            "pipeline_policy_arn": policy_arn,
            "pipeline_upkeep_policy_arn": upkeep_policy_arn,
        }
        for name, value in outputs.items():
            title = name.title().replace("_", "")
            # without the construct's path in front: people read these
            CfnOutput(self, title, value=value).override_logical_id(title)

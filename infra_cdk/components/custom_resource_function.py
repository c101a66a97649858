"""The function behind a custom resource of the stack: what CloudFormation itself cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from ddb_pipeline.names import ComputedNames
from infra_cdk.components.permissions import allow
from infra_cdk.components.python_function import PythonFunction

FOLDER = "custom_resources"
"""The functions share how they answer CloudFormation: one package for all."""


class CustomResourceFunction(Construct):
    """A function of our own, and not the CDK's provider framework, which brings more functions with wider rights.

    It may run as long as Lambda lets it, 15 minutes, and invoke itself to go on: that takes a name which its policy
    can hold before the function is made.

    Args:
        scope: The construct that it belongs to.
        construct_id: Id in the construct tree.
        names: Where the function's name comes from.
        suffix: What the name ends with, 10 characters at most.
        module: Name of the module.
        description: What the function does.
        key: Encrypts the log group.
        removal_policy: What becomes of the log group when the stack is deleted.
        statements: What the role may do beside logging and invoking the function.
        wildcards: Why statements are for resources that are not named one by one, by their sids.

    Attributes:
        service_token: What a custom resource names it by: its ARN.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        suffix: str,
        module: str,
        description: str,
        key: kms.IKey,
        removal_policy: RemovalPolicy,
        statements: Sequence[iam.PolicyStatement],
        wildcards: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        name = names.function(suffix)
        arn = Stack.of(self).format_arn(service="lambda", resource=f"function:{name}")
        self.service_token = PythonFunction(
            self,
            "Code",
            name=module,
            folder=FOLDER,
            function_name=name,
            description=description,
            key=key,
            removal_policy=removal_policy,
            timeout=Duration.minutes(15),
            memory_mebibytes=256,
            statements=[allow("GoOn", ["lambda:InvokeFunction"], [arn]), *statements],
            wildcards=wildcards,
        ).function.function_arn

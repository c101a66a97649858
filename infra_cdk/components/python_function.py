"""A Lambda function of this project: standard library and boto3 only, so its folder is its package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra_cdk.components.acknowledged import acknowledge_wildcards
from infra_cdk.components.permissions import allow

FUNCTIONS = Path(__file__).parent.parent / "functions"
LOG_RETENTION = logs.RetentionDays.THREE_MONTHS


class PythonFunction(Construct):
    """A function from `infra_cdk/functions/<folder>/<name>.py`, with a role and a log group of its own.

    Python 3.14 on arm64. The role may write to the log group and do what `statements` say, nothing else.

    Args:
        scope: The construct that it belongs to.
        construct_id: Id in the construct tree.
        name: Name of the module, which has a function `handler`.
        function_name: Name of the function; by default CloudFormation makes one.
        folder: Folder of the module, the function's package; functions that share code share it. Default: `name`.
        description: What the function does.
        key: Encrypts the log group.
        removal_policy: What becomes of the log group when the stack is deleted.
        timeout: After which an invocation is stopped.
        memory_mebibytes: Memory, which also sets the share of a CPU. Default 512.
        environment: Environment variables; none by default.
        statements: What the role may do beside logging; nothing by default.
        wildcards: Why statements are for resources that are not named one by one, by their sids; none by default.

    Attributes:
        function: The function.
        log_group: Where it logs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        function_name: str | None = None,
        folder: str | None = None,
        description: str,
        key: kms.IKey,
        removal_policy: RemovalPolicy,
        timeout: Duration,
        memory_mebibytes: int = 512,
        environment: Mapping[str, str] | None = None,
        statements: Sequence[iam.PolicyStatement] = (),
        wildcards: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = logs.LogGroup(
            self, "LogGroup", retention=LOG_RETENTION, encryption_key=key, removal_policy=removal_policy
        )
        log = allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [self.log_group.log_group_arn])
        # a role of our own: CDK's would carry a managed policy that may write to every log group
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"Function": iam.PolicyDocument(statements=[log, *statements])},
        )
        acknowledge_wildcards(role, statements, wildcards or {})
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=function_name,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(FUNCTIONS / (folder or name)), exclude=["__pycache__", "__init__.py"]),
            handler=f"{name}.handler",
            description=description,
            role=role.without_policy_updates(),
            log_group=self.log_group,
            timeout=timeout,
            memory_size=memory_mebibytes,
            environment=environment,
        )

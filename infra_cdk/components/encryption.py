"""The one KMS key with which everything in the stack is encrypted."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from ddb_pipeline.names import ComputedNames
from infra_cdk.components.alarms import alarms_of

# What "kms:*" means on a symmetric key, by name: the account's own IAM policies decide who may do it. Without this
# delegation DynamoDB's service-linked role could not write to the encrypted stream.
ACCOUNT_ACTIONS = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RetireGrant",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)

# What CloudWatch Logs needs, on the page AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
LOG_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)

# What CloudWatch needs to publish to an encrypted topic: sns/latest/dg/sns-key-management.html
PUBLISH_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")

LOG_GROUPS_OF = ("BaselineConverter", "BucketEmptier", "Delivery", "ExistingTable", "ItemLoader")
"""Ids of the constructs of a stack that have log groups. CloudFormation's names of these are the stack's and the id:
`<stack>-*` would be those of pipelines whose names begin like this one, too."""

CRAWLER_LOG_GROUPS = "/aws-glue/crawlers*"
"""Glue makes the crawlers' log groups itself, with the role and the security configuration in their names."""


class Encryption(Construct):
    """A symmetric key with yearly rotation and an alias, or a key that is given.

    The policy of the key lets the account's IAM policies decide about it, CloudWatch Logs use it for the log groups of
    this stack and of the crawlers, and CloudWatch for what the alarms of this stack publish. A key that is given has to
    allow the same (docs/tables.md): nothing of it is changed, and it outlives the stack.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Where the alias comes from.
        given: ARN of a key that is given; None: one is made.
        removal_policy: What becomes of a key that was made when the stack is deleted (it stays restorable for 30 days).
        alarms: Whether alarms of the stack publish to a topic that is encrypted with the key.

    Attributes:
        key: The key.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        given: str | None,
        removal_policy: RemovalPolicy,
        alarms: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key: kms.IKey = (
            self._made(names, removal_policy, alarms=alarms)
            if given is None
            else kms.Key.from_key_arn(self, "Key", given)
        )

    def _made(self, names: ComputedNames, removal_policy: RemovalPolicy, *, alarms: bool) -> kms.Key:
        stack = Stack.of(self)
        log_groups = [
            stack.format_arn(service="logs", resource=f"log-group:{name}")
            for name in (*(f"{names.stack}-{part}*" for part in LOG_GROUPS_OF), CRAWLER_LOG_GROUPS)
        ]
        statements = [
            iam.PolicyStatement(
                sid="AccountDecidesByIam",
                principals=[iam.AccountRootPrincipal()],
                actions=list(ACCOUNT_ACTIONS),
                resources=["*"],
            ),
            iam.PolicyStatement(
                sid="LogGroups",
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                actions=list(LOG_ACTIONS),
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
            ),
        ]
        if alarms:
            statements.append(
                iam.PolicyStatement(
                    sid="Alarms",
                    principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                    actions=list(PUBLISH_ACTIONS),
                    resources=["*"],
                    conditions={
                        "StringEquals": {"aws:SourceAccount": stack.account},
                        "ArnLike": {"aws:SourceArn": alarms_of(stack, names)},
                    },
                )
            )
        key = kms.Key(
            self,
            "Key",
            description=f"Everything of the pipeline {names.pipeline}, stage {names.stage}",
            enable_key_rotation=True,
            removal_policy=removal_policy,
            policy=iam.PolicyDocument(statements=statements),
        )
        key.add_alias(f"alias/{names.resource}")
        return key

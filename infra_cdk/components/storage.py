"""The two buckets: raw objects and baselines, which are kept, and query results, which expire."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.baselines import EXPORTED_PREFIX, EXPORTS_PREFIX
from ddb_pipeline.change_row import STORAGES
from infra_cdk.components.acknowledged import acknowledge

EXPORTS_EXPIRE = Duration.days(7)

# What a request without TLS must not do: the ways to read, write or change a bucket and its objects. By name, because
# no action in this package holds a `*` (otherwise it would say `s3:*`).
BUCKET_ACTIONS = (
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:DeleteBucketWebsite",
    "s3:GetAccelerateConfiguration",
    "s3:GetBucketAcl",
    "s3:GetBucketCORS",
    "s3:GetBucketLocation",
    "s3:GetBucketLogging",
    "s3:GetBucketNotification",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetBucketWebsite",
    "s3:GetEncryptionConfiguration",
    "s3:GetInventoryConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:PutAccelerateConfiguration",
    "s3:PutBucketAcl",
    "s3:PutBucketCORS",
    "s3:PutBucketLogging",
    "s3:PutBucketNotification",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutBucketWebsite",
    "s3:PutEncryptionConfiguration",
    "s3:PutInventoryConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutReplicationConfiguration",
)
OBJECT_ACTIONS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersion",
    "s3:DeleteObjectVersionTagging",
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectVersionTagging",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectAcl",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionAcl",
    "s3:PutObjectVersionTagging",
    "s3:RestoreObject",
)


class Storage(Construct):
    """The raw bucket and the bucket of query results.

    Both: encrypted with the key (and a bucket key, which saves most calls to KMS), closed to the public, owned by
    the account alone, and reachable through TLS only. Their names come from CloudFormation. A bucket that is deleted
    with the stack must be empty by then, which is the work of `BucketEmptier`.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        key: Encrypts the objects.
        results_expire: After how long query results are deleted.
        changes_expire: After how long raw objects are deleted. By default never: the views are made of them.
        removal_policy: What becomes of both when the stack is deleted.

    Attributes:
        raw: The bucket that Firehose delivers to.
        results: The bucket that Athena writes to.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        results_expire: Duration,
        changes_expire: Duration | None = None,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        # an upload that is broken off leaves parts that nobody sees and that cost
        parts = s3.LifecycleRule(id="AbandonedUploads", abort_incomplete_multipart_upload_after=Duration.days(7))
        results = s3.LifecycleRule(id="QueryResults", expiration=results_expire)
        # what DynamoDB exported is in a baseline by then
        raw = [
            s3.LifecycleRule(id=rule_id, prefix=prefix, expiration=EXPORTS_EXPIRE)
            for rule_id, prefix in (("Exports", EXPORTS_PREFIX), ("ExportedItems", EXPORTED_PREFIX))
        ]
        if changes_expire is not None:
            raw += [
                s3.LifecycleRule(id=f"RawObjects-{one.format}", prefix=one.prefix, expiration=changes_expire)
                for one in STORAGES.values()
            ]
        self.raw = self._bucket("Raw", key, [parts, *raw], removal_policy)
        self.results = self._bucket("Results", key, [parts, results], removal_policy)

    def _bucket(
        self, name: str, key: kms.IKey, rules: list[s3.LifecycleRule], removal_policy: RemovalPolicy
    ) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            name,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=rules,
            removal_policy=removal_policy,
        )
        for sid, actions, resource in (
            ("BucketThroughTlsOnly", BUCKET_ACTIONS, bucket.bucket_arn),
            ("ObjectsThroughTlsOnly", OBJECT_ACTIONS, bucket.arn_for_objects("*")),
        ):
            bucket.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=sid,
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=list(actions),
                    resources=[resource],
                    conditions={"Bool": {"aws:SecureTransport": "false"}},
                )
            )
        acknowledge(
            bucket,
            {
                "S1": "who reads what is in CloudTrail's data events, if an account wants it; access logs would need "
                "a bucket of their own, unencrypted by this key",
                "S10": "refused without TLS, action by action: the rule looks for s3:*, and no action here holds a *",
            },
        )
        return bucket

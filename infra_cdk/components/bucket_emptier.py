"""Empties the buckets of a stack that is destroyed: CloudFormation deletes none that holds anything."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CustomResource, RemovalPolicy, Tags
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.names import EMPTIED_TAG, ComputedNames
from infra_cdk.components.custom_resource_function import CustomResourceFunction
from infra_cdk.components.permissions import allow


class BucketEmptier(Construct):
    """A custom resource for each bucket, and their function. Only for stages whose data goes with the stack.

    Whatever writes into the buckets must depend on this construct: it is deleted first then, and writes nothing more
    when the buckets are emptied. A stage that comes to keep its data loses the tag of its buckets in the update and
    this construct in the clean-up after it, so that nothing is emptied by mistake.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Where the function's name comes from.
        key: Encrypts the log group.
        buckets: The buckets by what they are for.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        key: kms.IKey,
        buckets: Mapping[str, s3.Bucket],
    ) -> None:
        super().__init__(scope, construct_id)
        arns = [bucket.bucket_arn for bucket in buckets.values()]
        objects = [bucket.arn_for_objects("*") for bucket in buckets.values()]
        function = CustomResourceFunction(
            self,
            "Function",
            names=names,
            suffix="emptier",
            module="bucket_emptier",
            description="Empties the buckets of a stack that is destroyed",
            key=key,
            removal_policy=RemovalPolicy.DESTROY,
            statements=[
                allow(
                    "FindContents",
                    ["s3:GetBucketTagging", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"],
                    arns,
                ),
                allow(
                    "DeleteContents",
                    ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"],
                    objects,
                ),
            ],
            wildcards={"DeleteContents": "all that is in the two buckets goes with them"},
        )
        for name, bucket in buckets.items():
            Tags.of(bucket).add(EMPTIED_TAG, "true")
            CustomResource(
                self,
                name,
                resource_type="Custom::EmptiedBucket",
                service_token=function.service_token,
                properties={"BucketName": bucket.bucket_name},
            )

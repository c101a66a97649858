"""What Dagster may do: one managed policy, so that a role, a user or CI can carry it."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.change_row import CHANGES_PREFIX, ERRORS_PREFIX
from ddb_pipeline.names import ComputedNames
from infra_cdk.components.permissions import allow, use_key_through

READ_CATALOG = (
    "glue:GetDatabase",
    "glue:GetTable",
    "glue:GetTables",
    "glue:GetTableVersion",
    "glue:GetTableVersions",
    "glue:GetPartition",
    "glue:GetPartitions",
    "glue:BatchGetPartition",
)
# Athena makes a view with the rights of whoever runs CREATE VIEW
WRITE_CATALOG = (
    "glue:CreateTable",
    "glue:UpdateTable",
    "glue:DeleteTable",
    "glue:CreatePartition",
    "glue:BatchCreatePartition",
    "glue:UpdatePartition",
    "glue:BatchUpdatePartition",
    "glue:DeletePartition",
    "glue:BatchDeletePartition",
)
RUN_QUERIES = (
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetQueryResultsStream",
    "athena:GetWorkGroup",
    "athena:GetNamedQuery",
    "athena:ListNamedQueries",
)


class PipelineAccess(Construct):
    """The managed policy with exactly what the pipeline does on AWS. It is attached to nobody.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Names of parameter, database, crawler and workgroup.
        key: Encrypts the objects in both buckets.
        raw_bucket: Raw objects, which the pipeline reads.
        results_bucket: Query results, which it writes, reads and deletes.

    Attributes:
        policy: The policy.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        key: kms.IKey,
        raw_bucket: s3.IBucket,
        results_bucket: s3.IBucket,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)

        def arn(service: str, resource: str) -> str:
            return stack.format_arn(service=service, resource=resource)

        catalog = arn("glue", "catalog")
        database = arn("glue", f"database/{names.database}")
        statements = [
            allow("ReadNames", ["ssm:GetParameter"], [arn("ssm", f"parameter{names.parameter}")]),
            allow(
                "Crawl",
                ["glue:StartCrawler", "glue:StopCrawler", "glue:GetCrawler", "glue:ListCrawls"],
                [arn("glue", f"crawler/{names.resource}")],
            ),
            allow(
                "UseCatalog",
                [*READ_CATALOG, *WRITE_CATALOG],
                [catalog, database, arn("glue", f"table/{names.database}/*")],
            ),
            # Athena looks for the database `default` whatever the query names
            allow("LookForDefaultDatabase", ["glue:GetDatabase"], [catalog, arn("glue", "database/default")]),
            allow("RunQueries", RUN_QUERIES, [arn("athena", f"workgroup/{names.resource}")]),
            allow(
                "FindBuckets",
                ["s3:GetBucketLocation", "s3:ListBucket"],
                [raw_bucket.bucket_arn, results_bucket.bucket_arn],
            ),
            allow(
                "ReadRawObjects",
                ["s3:GetObject"],
                [raw_bucket.arn_for_objects(f"{prefix}*") for prefix in (CHANGES_PREFIX, ERRORS_PREFIX)],
            ),
            allow("SeeUploads", ["s3:ListBucketMultipartUploads"], [results_bucket.bucket_arn]),
            allow(
                "UseResults",
                [
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ],
                [results_bucket.arn_for_objects("*")],
            ),
            use_key_through(
                self,
                "s3",
                key.key_arn,
                ["kms:Decrypt", "kms:GenerateDataKey"],
                {
                    "aws:s3:arn": [
                        context
                        for bucket in (raw_bucket.bucket_arn, results_bucket.bucket_arn)
                        for context in (bucket, f"{bucket}/*")
                    ]
                },
            ),
        ]
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            description=f"What Dagster may do for the pipeline {names.pipeline}, stage {names.stage}",
            document=iam.PolicyDocument(statements=statements),
        )

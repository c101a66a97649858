"""What Dagster may do to check the pipeline against its table, and to replay what was not delivered."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.change_row import ERRORS_PREFIX
from infra_cdk.components.permissions import allow, use_key_through


def check_statements(
    scope: Construct,
    *,
    key: kms.IKey,
    table: dynamodb.ITable,
    table_key: str | None,
    stream: kinesis.IStream,
    raw_bucket: s3.IBucket,
) -> list[iam.PolicyStatement]:
    """Return the statements for the checks that read the table or CloudWatch, and for the replay.

    Args:
        scope: Any construct of the stack.
        key: Encrypts stream and objects.
        table: Some of its items are compared with the view.
        table_key: ARN of the key that encrypts the table; None: one of AWS's, which takes no right.
        stream: Takes the records of failed deliveries again.
        raw_bucket: Has those records, and their receipts as tags.
    """
    return [
        allow("CompareItems", ["dynamodb:BatchGetItem", "dynamodb:Scan"], [table.table_arn]),
        # without its encryption context, which DescribeKey has not (developerguide/encryption.usagenotes.html)
        *(
            []
            if table_key is None
            else [use_key_through(scope, "dynamodb", table_key, ["kms:Decrypt", "kms:DescribeKey"])]
        ),
        # CloudWatch has no resources for it (service authorization reference, "Actions defined by Amazon CloudWatch")
        allow("SeeArrivals", ["cloudwatch:GetMetricStatistics"], ["*"]),
        allow("ReplayRecords", ["kinesis:PutRecords"], [stream.stream_arn]),
        use_key_through(scope, "kinesis", key.key_arn, ["kms:GenerateDataKey"], {"aws:kinesis:arn": stream.stream_arn}),
        allow(
            "KeepReceipts",
            ["s3:GetObjectTagging", "s3:PutObjectTagging"],
            [raw_bucket.arn_for_objects(f"{ERRORS_PREFIX}*")],
        ),
    ]

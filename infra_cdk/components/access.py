"""What Dagster may do: two managed policies, so that a role, a user or CI can carry them."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from ddb_pipeline.baselines import (
    BASELINES_PREFIX,
    CANDIDATE_TABLE,
    EXPORTED_TABLE,
    EXPORTS_PREFIX,
    TABLE_NAME,
)
from ddb_pipeline.change_row import ERRORS_PREFIX, STORAGES
from ddb_pipeline.names import CAPTURE_KEY, ITEM_COLUMNS_KEY, ComputedNames
from infra_cdk.components.acknowledged import acknowledge_wildcards
from infra_cdk.components.analytics import RESULTS_PREFIX
from infra_cdk.components.check_access import check_statements
from infra_cdk.components.permissions import allow, use_catalog_key, use_key_through

READ_CATALOG = (
    "glue:GetTable",
    "glue:GetTables",
    "glue:GetPartition",
    "glue:GetPartitions",
    "glue:BatchGetPartition",
)
# Athena makes a view with the rights of whoever runs CREATE VIEW
WRITE_CATALOG = ("glue:CreateTable", "glue:UpdateTable")
# the repair registers hours as the crawler does
REPAIR_HOURS = ("glue:BatchCreatePartition", "glue:BatchUpdatePartition")
# Athena registers what INSERT INTO writes, with the rights of whoever runs it
REGISTER_BASELINES = ("glue:BatchCreatePartition", "glue:CreatePartition", "glue:DeletePartition")
# API_ExportTableToPointInTime.html; IAM of the exported objects: developerguide/S3DataExport_Requesting.html
EXPORT_TABLE = ("dynamodb:ExportTableToPointInTime",)
RUN_QUERIES = (
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
)
# Athena writes with the rights of who asks it (ug/s3-permissions.html)
WRITE_WITH_ATHENA = ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")


# athena/latest/ug/lf-athena-user-permissions.html; the service authorization reference has no resources for it
READ_REGISTERED = ("lakeformation:GetDataAccess",)


class PipelineAccess(Construct):
    """The managed policies with exactly what the pipeline does on AWS. They are attached to nobody.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Names of parameter, database and workgroup.
        crawlers: Names of the crawlers, which it starts; none where partitions are projected.
        key: Encrypts the objects in both buckets.
        catalog_key: ARN of the key that encrypts the Glue Data Catalog; None: one of AWS's, or none.
        table: The DynamoDB table, whose capture the pipeline watches, and some of whose items it reads.
        table_key: ARN of the key that encrypts the table; None: one of AWS's, which takes no right.
        stream: The stream, which it puts records of failed deliveries on.
        raw_bucket: Raw objects, which the pipeline reads, baselines, which it makes, and what it remembers.
        results_bucket: Query results, which it writes and reads.
        has_baselines: Whether it makes baselines.
        baseline_converter: Function that makes baselines of exports; None: the pipeline exports nothing.
        alarm_topic: Where failures of the pipeline are told, as those of AWS are; None: nowhere.
        lake_formation: Whether Lake Formation decides who sees the catalog, and hands out the rights to read a bucket
            that somebody registered with it.

    Attributes:
        policy: Crawls, queries, and what they read and write.
        upkeep_policy: Checks against the table, replays, repairs of partitions, baselines' partitions and exports, and
            telling of failures.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        crawlers: Sequence[str],
        key: kms.IKey,
        catalog_key: str | None,
        table: dynamodb.ITable,
        table_key: str | None,
        stream: kinesis.IStream,
        raw_bucket: s3.IBucket,
        results_bucket: s3.IBucket,
        has_baselines: bool,
        baseline_converter: lambda_.IFunction | None,
        alarm_topic: sns.ITopic | None,
        lake_formation: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)

        def arn(service: str, resource: str) -> str:
            return stack.format_arn(service=service, resource=resource)

        catalog = arn("glue", "catalog")
        database = arn("glue", f"database/{names.database}")

        def in_tables(*tables: str) -> list[str]:
            # Glue wants an action on a table to be allowed on its database and on the catalog too
            return [catalog, database, *(arn("glue", f"table/{names.database}/{table}") for table in tables)]

        statements = [
            allow("ReadNames", ["ssm:GetParameter"], [arn("ssm", f"parameter{names.parameter}")]),
            allow("UseCatalog", [*READ_CATALOG, *WRITE_CATALOG], in_tables("*")),
            # Athena looks for the database `default` whatever the query names. AWS once had everybody have the right
            # to make it, now only who makes databases (ug/fine-grained-access-to-glue-resources.html)
            allow("FindDatabases", ["glue:GetDatabase"], [catalog, database, arn("glue", "database/default")]),
            allow("ListDatabases", ["glue:GetDatabases"], [catalog, database]),
            allow("RunQueries", RUN_QUERIES, [arn("athena", f"workgroup/{names.resource}")]),
            allow(
                "FindBuckets",
                ["s3:GetBucketLocation", "s3:ListBucket"],
                [raw_bucket.bucket_arn, results_bucket.bucket_arn],
            ),
            allow(
                "ReadRawObjects",
                ["s3:GetObject"],
                [
                    raw_bucket.arn_for_objects(f"{prefix}*")
                    for prefix in (*(storage.prefix for storage in STORAGES.values()), ERRORS_PREFIX)
                ],
            ),
            allow(
                "Remember",
                ["s3:GetObject", "s3:PutObject"],
                [raw_bucket.arn_for_objects(name) for name in (CAPTURE_KEY, ITEM_COLUMNS_KEY)],
            ),
            allow(
                "SeeUploads",
                ["s3:ListBucketMultipartUploads"],
                [*([raw_bucket.bucket_arn] if has_baselines else []), results_bucket.bucket_arn],
            ),
            allow(
                "WatchCapture",
                ["dynamodb:DescribeTable", "dynamodb:DescribeKinesisStreamingDestination"],
                [table.table_arn],
            ),
            *([allow("ReadRegistered", READ_REGISTERED, ["*"])] if lake_formation else []),
            # DynamoDB asks Kinesis in the name of who describes a destination (developerguide/kds_iam.html)
            allow("WatchStream", ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary"], [stream.stream_arn]),
            allow("UseResults", WRITE_WITH_ATHENA, [results_bucket.arn_for_objects(f"{RESULTS_PREFIX}*")]),
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
        statements += use_catalog_key(self, catalog_key)
        upkeep = check_statements(self, key=key, table=table, table_key=table_key, stream=stream, raw_bucket=raw_bucket)
        if crawlers:
            statements.append(
                allow(
                    "Crawl",
                    ["glue:StartCrawler", "glue:StopCrawler", "glue:GetCrawler", "glue:ListCrawls"],
                    [arn("glue", f"crawler/{name}") for name in crawlers],
                ),
            )
            upkeep.append(
                allow("RepairHours", REPAIR_HOURS, in_tables(*(storage.table for storage in STORAGES.values())))
            )
        if has_baselines:
            statements.append(
                allow(
                    "UseBaselines",
                    [*WRITE_WITH_ATHENA, "s3:DeleteObject"],
                    [raw_bucket.arn_for_objects(f"{BASELINES_PREFIX}*")],
                )
            )
            upkeep.append(
                allow("RegisterBaselines", REGISTER_BASELINES, in_tables(TABLE_NAME, CANDIDATE_TABLE, EXPORTED_TABLE))
            )
        if baseline_converter is not None:
            upkeep += [
                allow("ExportTable", EXPORT_TABLE, [table.table_arn]),
                # DynamoDB writes the export with the rights of its caller
                allow("OwnExport", ["s3:PutObjectAcl"], [raw_bucket.arn_for_objects(f"{EXPORTS_PREFIX}*")]),
                allow("FollowExport", ["dynamodb:DescribeExport"], [f"{table.table_arn}/export/*"]),
                allow("ConvertExport", ["lambda:InvokeFunction"], [baseline_converter.function_arn]),
            ]
        if alarm_topic is not None:
            upkeep += [
                allow("TellOfFailures", ["sns:Publish"], [alarm_topic.topic_arn]),
                use_key_through(
                    self,
                    "sns",
                    key.key_arn,
                    ["kms:Decrypt", "kms:GenerateDataKey"],
                    {"aws:sns:topicArn": alarm_topic.topic_arn},
                ),
            ]
        what = f"for the pipeline {names.pipeline}, stage {names.stage}"
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            description=f"What Dagster may do {what}",
            document=iam.PolicyDocument(statements=statements),
        )
        # a managed policy has 6,144 characters at most (IAM user guide, "IAM and AWS STS quotas")
        self.upkeep_policy = iam.ManagedPolicy(
            self,
            "PolicyOfUpkeep",
            description=f"What Dagster may do beside that, to check, replay and export {what}",
            document=iam.PolicyDocument(statements=upkeep),
        )
        wildcards = {
            "UseCatalog": "the views are made here, and their names are no concern of the stack's",
            "ReadRawObjects": "Firehose names the objects",
            "UseResults": "Athena names the results",
            **(
                {"ReadRegistered": "Lake Formation has no ARN for it, and its own grants decide"}
                if lake_formation
                else {}
            ),
        }
        if has_baselines:
            wildcards["UseBaselines"] = "a baseline's files are named when it is made"
        acknowledge_wildcards(self.policy, statements, wildcards)
        wildcards = {
            "SeeArrivals": "CloudWatch has no ARN for a metric",
            "KeepReceipts": "Firehose names the objects",
        }
        if baseline_converter is not None:
            wildcards |= {
                "OwnExport": "DynamoDB names the files of an export",
                "FollowExport": "an export has its id from DynamoDB",
            }
        acknowledge_wildcards(self.upkeep_policy, upkeep, wildcards)

"""The Glue catalog: database, the table `changes`, and the crawler that registers its hours."""

from __future__ import annotations

import hashlib
import json

from aws_cdk import Stack
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.change_row import (
    CHANGES_PREFIX,
    COLUMNS,
    INPUT_FORMAT,
    OUTPUT_FORMAT,
    PARTITION_COLUMNS,
    SERIALIZATION_LIBRARY,
    TABLE_NAME,
    Column,
)
from ddb_pipeline.names import ComputedNames
from infra_cdk.components.encryption import CRAWLER_LOG_GROUPS
from infra_cdk.components.permissions import allow, bucket_key_context, use_key_through

# A crawler that meets a table without compressionType marks it deprecated and registers no partition.
TABLE_PARAMETERS = {
    "EXTERNAL": "TRUE",
    "classification": "json",
    "compressionType": "gzip",
    "typeOfData": "file",
}

# Partitions have the table's schema, and a folder is never made into a table of its own
# (glue/latest/dg/crawler-configuration.html; the grouping is forced for a catalog target).
CRAWLER_CONFIGURATION = {
    "Version": 1.0,
    "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
    "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"},
}


class Catalog(Construct):
    """The pipeline's database with the table `changes`, as the change-row contract has it.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Name of the database.
        raw_bucket: Where the raw objects are.

    Attributes:
        database: The database.
        change_table: The table `changes`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, names: ComputedNames, raw_bucket: s3.IBucket) -> None:
        super().__init__(scope, construct_id)
        account = Stack.of(self).account
        self.database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=names.database,
                description=f"Changes of the pipeline {names.pipeline}, stage {names.stage}, and the views of them",
            ),
        )
        self.change_table = glue.CfnTable(
            self,
            "ChangeTable",
            catalog_id=account,
            database_name=names.database,
            table_input=glue.CfnTable.TableInputProperty(
                name=TABLE_NAME,
                description="One row per change of an item, partitioned by hour of arrival (UTC)",
                table_type="EXTERNAL_TABLE",
                parameters=TABLE_PARAMETERS,
                partition_keys=glue_columns(PARTITION_COLUMNS),
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    location=raw_bucket.s3_url_for_object(CHANGES_PREFIX),
                    columns=glue_columns(COLUMNS),
                    compressed=True,
                    input_format=INPUT_FORMAT,
                    output_format=OUTPUT_FORMAT,
                    serde_info=glue.CfnTable.SerdeInfoProperty(serialization_library=SERIALIZATION_LIBRARY),
                ),
            ),
        )
        self.change_table.add_resource_dependency(self.database)


class Crawler(Construct):
    """The crawler on the table `changes`: it registers new hours, and never makes, changes or deprecates a table.

    It has no schedule: Dagster starts it. Its logs are encrypted by its security configuration. Glue cannot update
    one of those, so that its name carries a hash of its content: other content makes another one.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Names of crawler and database.
        catalog: Database and table.
        key: Encrypts the logs and the raw objects.
        raw_bucket: Where the raw objects are.

    Attributes:
        crawler: The crawler.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        catalog: Catalog,
        key: kms.IKey,
        raw_bucket: s3.IBucket,
    ) -> None:
        super().__init__(scope, construct_id)
        security_configuration = self._security_configuration(names, key)
        self.crawler = glue.CfnCrawler(
            self,
            "Crawler",
            name=names.resource,
            description="Registers new hours of the table changes",
            role=self._role(names, key, raw_bucket).role_arn,
            crawler_security_configuration=security_configuration.ref,
            configuration=json.dumps(CRAWLER_CONFIGURATION),
            targets=glue.CfnCrawler.TargetsProperty(
                catalog_targets=[
                    glue.CfnCrawler.CatalogTargetProperty(database_name=names.database, tables=[TABLE_NAME])
                ]
            ),
            schema_change_policy=glue.CfnCrawler.SchemaChangePolicyProperty(
                update_behavior="LOG", delete_behavior="LOG"
            ),
            # the only one for a catalog target without a queue of S3 events
            recrawl_policy=glue.CfnCrawler.RecrawlPolicyProperty(recrawl_behavior="CRAWL_EVERYTHING"),
        )
        self.crawler.add_resource_dependency(catalog.change_table)

    def _security_configuration(self, names: ComputedNames, key: kms.IKey) -> glue.CfnSecurityConfiguration:
        arn = key.key_arn
        content = glue.CfnSecurityConfiguration.EncryptionConfigurationProperty(
            cloud_watch_encryption=glue.CfnSecurityConfiguration.CloudWatchEncryptionProperty(
                cloud_watch_encryption_mode="SSE-KMS", kms_key_arn=arn
            ),
            job_bookmarks_encryption=glue.CfnSecurityConfiguration.JobBookmarksEncryptionProperty(
                job_bookmarks_encryption_mode="CSE-KMS", kms_key_arn=arn
            ),
            s3_encryptions=[
                glue.CfnSecurityConfiguration.S3EncryptionProperty(s3_encryption_mode="SSE-KMS", kms_key_arn=arn)
            ],
        )
        resolved = json.dumps(Stack.of(self).resolve(content), sort_keys=True)
        digest = hashlib.sha256(resolved.encode()).hexdigest()[:8]
        return glue.CfnSecurityConfiguration(
            self,
            "SecurityConfiguration",
            name=f"{names.resource}-{digest}",
            encryption_configuration=content,
        )

    def _role(self, names: ComputedNames, key: kms.IKey, raw_bucket: s3.IBucket) -> iam.Role:
        stack = Stack.of(self)

        def glue_arn(resource: str) -> str:
            return stack.format_arn(service="glue", resource=resource)

        database = [glue_arn("catalog"), glue_arn(f"database/{names.database}")]
        statements = [
            allow(
                "ReadCatalog",
                [
                    "glue:GetDatabase",
                    "glue:GetTable",
                    "glue:GetTables",
                    "glue:GetPartition",
                    "glue:GetPartitions",
                    "glue:BatchGetPartition",
                ],
                [*database, glue_arn(f"table/{names.database}/*")],
            ),
            allow(
                "RegisterHours",
                [
                    "glue:CreateTable",
                    "glue:UpdateTable",
                    "glue:BatchCreatePartition",
                    "glue:UpdatePartition",
                    "glue:BatchUpdatePartition",
                ],
                # on this table alone: whatever a crawler might want to make, it could not
                [*database, glue_arn(f"table/{names.database}/{TABLE_NAME}")],
            ),
            allow("FindBucket", ["s3:GetBucketLocation", "s3:ListBucket"], [raw_bucket.bucket_arn]),
            allow("ReadObjects", ["s3:GetObject"], [raw_bucket.arn_for_objects(f"{CHANGES_PREFIX}*")]),
            use_key_through(self, "s3", key.key_arn, ["kms:Decrypt"], bucket_key_context(raw_bucket.bucket_arn)),
            allow(
                "Log",
                ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:AssociateKmsKey"],
                [stack.format_arn(service="logs", resource=f"log-group:{CRAWLER_LOG_GROUPS}")],
            ),
            # Glue has no ARN for a security configuration
            allow("ReadSecurityConfiguration", ["glue:GetSecurityConfiguration"], ["*"]),
        ]
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "glue.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
            ),
            inline_policies={"Crawl": iam.PolicyDocument(statements=statements)},
        )


def glue_columns(columns: tuple[Column, ...]) -> list[glue.CfnTable.ColumnProperty]:
    """Return columns as a table in the Glue catalog declares them."""
    return [
        glue.CfnTable.ColumnProperty(name=column.name, type=column.type, comment=column.comment) for column in columns
    ]

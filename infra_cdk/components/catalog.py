"""The Glue catalog: database, the two tables of changes, and the crawlers that register their hours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.catalog_tables import change_tables
from ddb_pipeline.change_row import STORAGES, Format
from ddb_pipeline.declaration import Pipeline, Stage
from ddb_pipeline.names import ComputedNames
from ddb_pipeline.projection import parameters as projection_parameters
from infra_cdk.components.acknowledged import acknowledge_wildcards
from infra_cdk.components.catalog_table import catalog_table
from infra_cdk.components.encryption import CRAWLER_LOG_GROUPS
from infra_cdk.components.permissions import allow, bucket_key_context, use_catalog_key, use_key_through

# Partitions have the table's schema, and a folder is never made into a table of its own
# (glue/latest/dg/crawler-configuration.html; the grouping is forced for a catalog target).
CRAWLER_CONFIGURATION = {
    "Version": 1.0,
    "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
    "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"},
}

# in CloudFormation a resource whose id changes is another one
_TABLE_IDS: Mapping[Format, str] = {"json": "ChangeTable", "parquet": "ParquetTable"}
_CRAWLER_IDS: Mapping[Format, str] = {"json": "Crawler", "parquet": "ParquetCrawler"}


class Catalog(Construct):
    """The pipeline's database with its tables of changes, as the change-row contract has them.

    There is a table of each format, whatever Firehose writes: changing the format leaves the table of the other one,
    and the views go on reading it. A table without data costs nothing.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Name of the database.
        pipeline: Whether partitions are projected, `catalog` (default "crawler"), and from which year on, `start_date`
            (required).
        stage: How its raw objects are compressed, as far as they are JSON: `compression` (default "gzip").
        raw_bucket: Where the raw objects are.

    Attributes:
        database: The database.
        database_name: Its name.
        change_tables: The table of each format.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        pipeline: Pipeline,
        stage: Stage,
        raw_bucket: s3.IBucket,
    ) -> None:
        super().__init__(scope, construct_id)
        self.database_name = names.database
        self.database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=Stack.of(self).account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=names.database,
                description=f"Changes of the pipeline {names.pipeline}, stage {names.stage}, and the views of them",
            ),
        )
        projected = projection_parameters(pipeline.start_date) if pipeline.catalog == "projection" else {}
        self.change_tables: Mapping[Format, glue.CfnTable] = {
            file_format: catalog_table(
                self,
                _TABLE_IDS[file_format],
                database=self.database,
                database_name=names.database,
                table=table,
                raw_bucket=raw_bucket,
            )
            for file_format, table in change_tables(stage.compression, projected).items()
        }


class Crawlers(Construct):
    """A crawler on each table of changes: it registers new hours, and never makes, changes or deprecates a table.

    One a table, not one for both: a crawl reads all that its targets hold, and a table that is no longer filled, or not
    yet, needs none. They have no schedule: Dagster starts them. Their logs are encrypted by a security configuration.
    Glue cannot update one of those, so that its name carries a hash of its content: other content makes another one.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Names of crawlers and database.
        catalog: Database and tables.
        key: Encrypts the logs and the raw objects.
        catalog_key: ARN of the key that encrypts the Glue Data Catalog; None: one of AWS's, or none.
        raw_bucket: Where the raw objects are.

    Attributes:
        role: What the crawlers run as.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        catalog: Catalog,
        key: kms.IKey,
        catalog_key: str | None,
        raw_bucket: s3.IBucket,
    ) -> None:
        super().__init__(scope, construct_id)
        security_configuration = self._security_configuration(names, key)
        role = self.role = self._role(names, key, catalog_key, raw_bucket)
        for storage in STORAGES.values():
            crawler = glue.CfnCrawler(
                self,
                _CRAWLER_IDS[storage.format],
                name=names.crawler(storage.format),
                description=f"Registers new hours of the table {storage.table}",
                role=role.role_arn,
                crawler_security_configuration=security_configuration.ref,
                configuration=json.dumps(CRAWLER_CONFIGURATION),
                targets=glue.CfnCrawler.TargetsProperty(
                    catalog_targets=[
                        glue.CfnCrawler.CatalogTargetProperty(database_name=names.database, tables=[storage.table])
                    ]
                ),
                schema_change_policy=glue.CfnCrawler.SchemaChangePolicyProperty(
                    update_behavior="LOG", delete_behavior="LOG"
                ),
                # the only one for a catalog target without a queue of S3 events
                recrawl_policy=glue.CfnCrawler.RecrawlPolicyProperty(recrawl_behavior="CRAWL_EVERYTHING"),
            )
            crawler.add_resource_dependency(catalog.change_tables[storage.format])

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

    def _role(self, names: ComputedNames, key: kms.IKey, catalog_key: str | None, raw_bucket: s3.IBucket) -> iam.Role:
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
                # on these tables alone: whatever a crawler might want to make, it could not
                [*database, *(glue_arn(f"table/{names.database}/{one.table}") for one in STORAGES.values())],
            ),
            *use_catalog_key(self, catalog_key),
            allow("FindBucket", ["s3:GetBucketLocation", "s3:ListBucket"], [raw_bucket.bucket_arn]),
            allow(
                "ReadObjects",
                ["s3:GetObject"],
                [raw_bucket.arn_for_objects(f"{one.prefix}*") for one in STORAGES.values()],
            ),
            use_key_through(self, "s3", key.key_arn, ["kms:Decrypt"], bucket_key_context(raw_bucket.bucket_arn)),
            allow(
                "Log",
                ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:AssociateKmsKey"],
                [stack.format_arn(service="logs", resource=f"log-group:{CRAWLER_LOG_GROUPS}")],
            ),
            # Glue has no ARN for a security configuration
            allow("ReadSecurityConfiguration", ["glue:GetSecurityConfiguration"], ["*"]),
        ]
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "glue.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
            ),
            inline_policies={"Crawl": iam.PolicyDocument(statements=statements)},
        )
        acknowledge_wildcards(
            role,
            statements,
            {
                "ReadCatalog": "glue:GetTables asks for all tables of the database",
                "ReadObjects": "Firehose names the objects",
                "Log": "Glue makes the log group, and names it after this role and the security configuration",
                "ReadSecurityConfiguration": "Glue has no ARN for a security configuration",
            },
        )
        return role

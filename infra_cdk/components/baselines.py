"""Baselines: their tables in the Glue catalog, and the function that makes rows of an export's items."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.baselines import EXPORTED_PREFIX, EXPORTS_PREFIX
from ddb_pipeline.catalog_tables import BASELINE_TABLES
from ddb_pipeline.names import ComputedNames
from infra_cdk.components.catalog import Catalog
from infra_cdk.components.catalog_table import catalog_table
from infra_cdk.components.permissions import allow, bucket_key_context, use_key_through
from infra_cdk.components.python_function import PythonFunction

CONVERTER_FOLDER = "change_converter"
"""The converter of changes and that of exported items write the same rows with the same code: one package for both."""
CONVERTER_TIMEOUT = Duration.minutes(15)
# A file is streamed; memory buys processor time, and 1769 MiB a whole one (lambda/latest/dg/configuration-memory.html)
CONVERTER_MEMORY_MEBIBYTES = 1769


class BaselineTables(Construct):
    """The tables `baselines`, `baseline_candidates` and `exported_items`.

    The first two have the same columns and the same folders. Athena writes a baseline into the second, where nobody
    looks for it; once it is verified, its folder becomes a partition of the first, by one call. (A CREATE TABLE AS
    into a folder of our choice is refused in a workgroup that enforces its settings.)

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Name of the database.
        catalog: The database.
        raw_bucket: Where baselines are.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, names: ComputedNames, catalog: Catalog, raw_bucket: s3.IBucket
    ) -> None:
        super().__init__(scope, construct_id)
        for table in BASELINE_TABLES:
            catalog_table(
                self,
                # in CloudFormation a resource whose id changes is another one
                "".join(word.capitalize() for word in table.name.split("_")),
                database=catalog.database,
                database_name=names.database,
                table=table,
                raw_bucket=raw_bucket,
            )


class BaselineConverter(Construct):
    """The function `baseline_converter`: one exported data file in, one file of rows out.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        key: Encrypts objects and logs.
        raw_bucket: Where exports and baselines are.
        removal_policy: What becomes of the log group when the stack is deleted.

    Attributes:
        function: The function.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        raw_bucket: s3.IBucket,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = PythonFunction(
            self,
            "Converter",
            name="baseline_converter",
            folder=CONVERTER_FOLDER,
            description="Makes rows of a baseline of a DynamoDB export's items",
            key=key,
            removal_policy=removal_policy,
            timeout=CONVERTER_TIMEOUT,
            memory_mebibytes=CONVERTER_MEMORY_MEBIBYTES,
            environment={
                "BUCKET": raw_bucket.bucket_name,
                "SOURCE_PREFIX": EXPORTS_PREFIX,
                "TARGET_PREFIX": EXPORTED_PREFIX,
            },
            statements=[
                allow("ReadExport", ["s3:GetObject"], [raw_bucket.arn_for_objects(f"{EXPORTS_PREFIX}*")]),
                allow(
                    "WriteRows",
                    ["s3:PutObject", "s3:AbortMultipartUpload"],
                    [raw_bucket.arn_for_objects(f"{EXPORTED_PREFIX}*")],
                ),
                use_key_through(
                    self,
                    "s3",
                    key.key_arn,
                    ["kms:Decrypt", "kms:GenerateDataKey"],
                    bucket_key_context(raw_bucket.bucket_arn),
                ),
            ],
            wildcards={
                "ReadExport": "DynamoDB names the files of an export",
                "WriteRows": "one file for each file of an export",
            },
        ).function

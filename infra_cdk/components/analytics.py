"""Athena: the workgroup in which every query runs, and saved queries to begin with."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import aws_athena as athena
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.declaration import Stage
from ddb_pipeline.names import ComputedNames

ENGINE_VERSION = "Athena engine version 3"
RESULTS_PREFIX = "queries/"
SAVED_QUERIES = Path(__file__).parent.parent / "saved_queries"
TABLE_NAME_MARK = "${table_name}"
"""Stands in a saved query for the name that CloudFormation gives to the table."""
OF_LOADED_ITEMS = frozenset({"persons_by_area_and_type"})
"""Saved queries of attributes that only the items of the item loader have."""
MEBIBYTE = 1024 * 1024


class Analytics(Construct):
    """The workgroup and the saved queries over the views.

    The workgroup's settings win over those of a client: results go encrypted into the results bucket, and a query
    that scans too much is cancelled.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Names of workgroup and database.
        stage: When a query is cancelled, `scan_cutoff_mebibytes` (default 102400), and whether saved queries and
            history keep the workgroup from being deleted, `keep_data` (default true).
        key: Encrypts the results.
        results_bucket: Where the results go.
        table_name: Name of the DynamoDB table, for queries that read changes and not the views.
        has_loader: Whether there is an item loader; without it queries of its items' attributes are left out.

    Attributes:
        workgroup: The workgroup.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        stage: Stage,
        key: kms.IKey,
        results_bucket: s3.IBucket,
        table_name: str,
        has_loader: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.workgroup = athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=names.resource,
            description=f"Queries over the pipeline {names.pipeline}, stage {names.stage}",
            state="ENABLED",
            recursive_delete_option=not stage.keep_data,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=stage.scan_cutoff_mebibytes * MEBIBYTE,
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(selected_engine_version=ENGINE_VERSION),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=results_bucket.s3_url_for_object(RESULTS_PREFIX),
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=key.key_arn
                    ),
                ),
            ),
        )
        for file in sorted(SAVED_QUERIES.glob("*.sql")):
            if has_loader or file.stem not in OF_LOADED_ITEMS:
                self._save_query(file, names, table_name)

    def _save_query(self, file: Path, names: ComputedNames, table_name: str) -> None:
        sql = file.read_text(encoding="utf-8").replace(TABLE_NAME_MARK, table_name)
        query = athena.CfnNamedQuery(
            self,
            f"Query-{file.stem}",
            name=file.stem,
            # the first line says in a comment what the query answers
            description=file.read_text(encoding="utf-8").splitlines()[0].removeprefix("--").strip(),
            database=names.database,
            work_group=names.resource,
            query_string=sql,
        )
        query.add_resource_dependency(self.workgroup)

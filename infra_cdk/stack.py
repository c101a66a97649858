"""The stack of one pipeline and stage, as a table of contents: what there is, and in which order it is made."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct, IDependable

from ddb_pipeline.change_row import ERRORS_PREFIX, STORAGES
from ddb_pipeline.declaration import Pipeline, Stage
from ddb_pipeline.names import DEPLOYMENT_TAG, PROJECT, ComputedNames, PublishedNames
from infra_cdk.components.access import PipelineAccess
from infra_cdk.components.alarms import Alarms, Parts
from infra_cdk.components.analytics import Analytics
from infra_cdk.components.baselines import BaselineConverter, BaselineTables
from infra_cdk.components.bucket_emptier import BucketEmptier
from infra_cdk.components.budget import Budget
from infra_cdk.components.catalog import Catalog, Crawlers
from infra_cdk.components.change_stream import ChangeStream
from infra_cdk.components.delivery import Delivery
from infra_cdk.components.encryption import Encryption
from infra_cdk.components.existing_table import ExistingTable
from infra_cdk.components.item_loader import ItemLoader
from infra_cdk.components.lake_formation import LakeFormationGrants, grants_of
from infra_cdk.components.published_names import Publication
from infra_cdk.components.source_table import SourceTable
from infra_cdk.components.storage import Storage


class PipelineStack(Stack):
    """Everything of one pipeline in one stage. It fits any account and region.

    Args:
        scope: The app.
        pipeline: The pipeline: the table that is streamed, `existing_table` (default none: one is made) and
            `existing_table_key` (default none), `catalog` (default "crawler"), `baseline` (default "none"), `format`
            (default "json"), and what the parts of the stack say of themselves.
        stage: The stage: whether what holds data outlives the stack, `keep_data` (default true), `encryption_key`
            (default none: one is made), `catalog_key` (default none), `results_expire_days` (default 7),
            `raw_retention_days` (default none: never), `alarms` (default true), `alarm_mail` (default none),
            `budget_usd` (default none), `lake_formation_operators` (default none), `lake_formation_readers` (default
            none), and what the parts say.
        **stack_properties: What else a CDK stack takes; nothing by default.
    """

    def __init__(self, scope: Construct, *, pipeline: Pipeline, stage: Stage, **stack_properties: Any) -> None:
        names = ComputedNames(pipeline=pipeline.name, stage=stage.name)
        super().__init__(
            scope,
            names.stack,
            stack_name=names.stack,
            description=f"Changes of the DynamoDB table of {pipeline.name} for SQL, stage {stage.name}",
            tags={
                "project": PROJECT,
                "pipeline": pipeline.name,
                "stage": stage.name,
                DEPLOYMENT_TAG: names.stack,
            },
            analytics_reporting=False,
            termination_protection=stage.keep_data,
            **stack_properties,
        )
        # what a first deployment made and took back holds nothing, and would be made again by the next attempt
        removal_policy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if stage.keep_data else RemovalPolicy.DESTROY

        key = Encryption(
            self,
            "Encryption",
            names=names,
            given=stage.encryption_key,
            removal_policy=removal_policy,
            alarms=stage.alarms,
        ).key
        storage = Storage(
            self,
            "Storage",
            key=key,
            results_expire=Duration.days(stage.results_expire_days),
            changes_expire=None if stage.raw_retention_days is None else Duration.days(stage.raw_retention_days),
            removal_policy=removal_policy,
        )
        stream = ChangeStream(self, "ChangeStream", key=key, stage=stage).stream
        catalog = Catalog(self, "Catalog", names=names, pipeline=pipeline, stage=stage, raw_bucket=storage.raw)
        delivery = Delivery(
            self,
            "Delivery",
            pipeline=pipeline,
            stage=stage,
            key=key,
            stream=stream,
            catalog=catalog,
            raw_bucket=storage.raw,
            removal_policy=removal_policy,
        )
        delivery_stream = delivery.delivery_stream
        existing = pipeline.existing_table.of(stage.name)
        table = self._table(
            pipeline, stage, names=names, key=key, stream=stream, after=delivery_stream, removal_policy=removal_policy
        )
        # nothing of ours writes to a table that is somebody's
        loader = (
            ItemLoader(
                self, "ItemLoader", pipeline=pipeline, table=table, key=key, removal_policy=removal_policy
            ).function
            if existing is None
            else None
        )
        BaselineTables(self, "BaselineTables", names=names, catalog=catalog, raw_bucket=storage.raw)
        converter = (
            BaselineConverter(
                self, "BaselineConverter", key=key, raw_bucket=storage.raw, removal_policy=removal_policy
            ).function
            if pipeline.baseline == "export"
            else None
        )
        crawlers = (
            Crawlers(
                self,
                "Crawler",
                names=names,
                catalog=catalog,
                key=key,
                catalog_key=stage.catalog_key,
                raw_bucket=storage.raw,
            )
            if pipeline.catalog == "crawler"
            else None
        )
        lake_formation = bool(stage.lake_formation_operators or stage.lake_formation_readers)
        if lake_formation:
            grants = LakeFormationGrants(
                self,
                "LakeFormation",
                database=names.database,
                grants=grants_of(
                    operators=stage.lake_formation_operators,
                    readers=stage.lake_formation_readers,
                    crawler_role=crawlers.role.role_arn if crawlers else None,
                    delivery_role=delivery.role.role_arn,
                ),
                after=(catalog, *([crawlers.role] if crawlers else []), delivery.role),
            )
            # Firehose looks for the schema of Parquet while it is being made
            delivery_stream.node.add_dependency(grants)
        workgroup = Analytics(
            self,
            "Analytics",
            names=names,
            stage=stage,
            key=key,
            results_bucket=storage.results,
            table_name=table.table_name,
            has_loader=loader is not None,
        ).workgroup
        topic = (
            Alarms(
                self,
                "Alarms",
                names=names,
                stage=stage,
                key=key,
                parts=Parts(
                    table=table.table_name,
                    change_stream=stream.stream_name,
                    delivery_stream=delivery_stream.ref,
                    converter=delivery.converter.function_name,
                    converter_log_group=delivery.converter_log_group,
                    converts_format=pipeline.format == "parquet",
                ),
            ).topic
            if stage.alarms
            else None
        )
        if stage.budget_usd is not None and stage.alarm_mail is not None:
            Budget(self, "Budget", names=names, limit_usd=stage.budget_usd, mail=stage.alarm_mail)
        access = PipelineAccess(
            self,
            "Access",
            names=names,
            crawlers=[names.crawler(storage) for storage in STORAGES] if crawlers else [],
            key=key,
            catalog_key=stage.catalog_key,
            table=table,
            table_key=key.key_arn if existing is None else pipeline.existing_table_key.of(stage.name),
            stream=stream,
            raw_bucket=storage.raw,
            results_bucket=storage.results,
            has_baselines=pipeline.baseline != "none",
            baseline_converter=converter,
            alarm_topic=topic,
            lake_formation=lake_formation,
        )
        if not stage.keep_data:
            emptier = BucketEmptier(
                self, "BucketEmptier", names=names, key=key, buckets={"Raw": storage.raw, "Results": storage.results}
            )
            for writer in (delivery_stream, workgroup, access, *([converter] if converter else [])):
                writer.node.add_dependency(emptier)
        now = STORAGES[pipeline.format]
        (other,) = (storage for storage in STORAGES.values() if storage is not now)
        Publication(
            self,
            "Names",
            names=names,
            policy_arn=access.policy.managed_policy_arn,
            upkeep_policy_arn=access.upkeep_policy.managed_policy_arn,
            published=PublishedNames(
                pipeline=pipeline.name,
                stage=stage.name,
                account=self.account,
                region=self.region,
                table=table.table_name,
                change_stream=stream.stream_name,
                delivery_stream=delivery_stream.ref,
                raw_bucket=storage.raw.bucket_name,
                changes_prefix=now.prefix,
                errors_prefix=ERRORS_PREFIX,
                results_bucket=storage.results.bucket_name,
                database=names.database,
                change_table=now.table,
                crawler=names.crawler(now.format) if crawlers else "",
                workgroup=names.resource,
                item_loader="" if loader is None else loader.function_name,
                key_arn=key.key_arn,
                baseline_converter="" if converter is None else converter.function_name,
                alarm_topic="" if topic is None else topic.topic_arn,
                format=now.format,
                other_format=other.format,
                other_change_table=other.table,
                other_changes_prefix=other.prefix,
                other_crawler=names.crawler(other.format) if crawlers else "",
            ),
        )

    def _table(
        self,
        pipeline: Pipeline,
        stage: Stage,
        *,
        names: ComputedNames,
        key: kms.IKey,
        stream: kinesis.IStream,
        after: IDependable,
        removal_policy: RemovalPolicy,
    ) -> dynamodb.ITable:
        """The table that is streamed: one that exists in this stage, or one that is made."""
        existing = pipeline.existing_table.of(stage.name)
        if existing is None:
            return SourceTable(
                self,
                "Source",
                pipeline=pipeline,
                key=key,
                stream=stream,
                after=after,
                keep_data=stage.keep_data,
            ).table
        return ExistingTable(
            self,
            "ExistingTable",
            names=names,
            pipeline=pipeline,
            table_name=existing,
            key=key,
            stream=stream,
            after=after,
            removal_policy=removal_policy,
        ).table

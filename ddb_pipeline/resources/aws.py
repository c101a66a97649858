"""The one resource that Dagster's definitions ask for: everything on AWS, made from the settings that hold now.

Nothing is read and nothing is called when Dagster loads it. Clients come from plain resources (`S3Resource`,
`GlueCrawlerResource`, `AthenaResource`) that also work alone in any other Dagster project.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster import ConfigurableResource
from pydantic import Field

from ddb_pipeline.declaration import DeclarationError, Pipeline, Stage, load_declaration
from ddb_pipeline.errors import (
    DEPLOY_ADVICE,
    RESTORE_ADVICE,
    STAGE_ADVICE,
    NotDeployedError,
    PipelineError,
    SettingsError,
    explained,
)
from ddb_pipeline.names import ITEM_COLUMNS_KEY, ComputedNames, PublishedNames, PublishedNamesError
from ddb_pipeline.resources.athena import AthenaResource
from ddb_pipeline.resources.baseline_store import BaselineStore
from ddb_pipeline.resources.change_catalog import ChangeCatalog
from ddb_pipeline.resources.change_stream import ChangeStream
from ddb_pipeline.resources.column_memory import ColumnMemory
from ddb_pipeline.resources.failed_deliveries import FailedDeliveries
from ddb_pipeline.resources.glue_crawler import GlueCrawlerResource
from ddb_pipeline.resources.raw_bucket import RawBucket
from ddb_pipeline.resources.remembered import Remembered
from ddb_pipeline.resources.settings import Connection, Settings, read_settings
from ddb_pipeline.resources.statement_runs import StatementRuns
from ddb_pipeline.resources.stream_metrics import StreamMetrics
from ddb_pipeline.resources.table_export import BaselineConverter, TableExport
from ddb_pipeline.resources.table_items import TableItems
from ddb_pipeline.resources.tick_limit import (
    ANSWER_SECONDS,
    ATTEMPTS,
    CONNECT_SECONDS,
    refuse_late_requests,
    within_a_tick,
)
from ddb_pipeline.resources.whole_answers import refuse_cut_answers

MAKE_VIEWS_ADVICE = (
    "a view is made by Dagster: run `dagster dev` and press Materialize all, or wait for its sensor; a table of the "
    "stack that somebody dropped is brought back by `ddb-pipeline repair` alone, which says whether one is missing"
)
UNREADABLE_OBJECT_ADVICE = (
    "while an object is there that is no change of the table, or is damaged, no view answers: move that object out of "
    "the prefix of the changes (docs/repair.md)"
)

LATE_CRAWL_ADVICE = (
    "nothing is lost: the next refresh, which the arrivals sensor asks for, joins it; where crawls take so long each "
    "time, have the hours projected instead (docs/crawling.md)"
)

_names: Remembered[PublishedNames] = Remembered(10)
_clients: Remembered[Any] = Remembered(60)
_sessions: Remembered[Any] = Remembered(60)
_session_in_use = threading.Lock()


@dataclass(frozen=True)
class Deployment:
    """One pipeline on one stage, with clients for what the stack made: valid for one run or one tick.

    Attributes:
        pipeline: The pipeline.
        stage: Its stage.
        settings: Where and with what AWS is reached.
        names: The names that the stack published.
        hurried: Whether a call is given up early, as in a tick, which Dagster ends after a minute.
    """

    pipeline: Pipeline
    stage: Stage
    settings: Settings
    names: PublishedNames
    hurried: bool = False

    @property
    def raw_bucket(self) -> RawBucket:
        """The bucket with the raw objects."""
        prefixes = tuple(table.prefix for table in self.names.change_tables)
        return RawBucket(self._s3, self.names.raw_bucket, prefixes)

    @property
    def failed_deliveries(self) -> FailedDeliveries:
        """What Firehose could not deliver."""
        return FailedDeliveries(self._s3, self.names.raw_bucket, self.names.errors_prefix)

    @property
    def change_stream(self) -> ChangeStream:
        """The stream that carries the change records."""
        return ChangeStream(make_client("kinesis", self.settings.connection), self.names.change_stream)

    @property
    def stream_metrics(self) -> StreamMetrics:
        """What CloudWatch knows of that stream."""
        client = make_client("cloudwatch", self.settings.connection, hurried=self.hurried)
        return StreamMetrics(client, self.names.change_stream)

    def hours_in_tables(self) -> set[datetime]:
        """Return the hours that queries find: those in the catalog, or where they are projected, those in S3."""
        return set(self.raw_bucket.all_hours()) if self.catalog.is_projected else self.catalog.hours()

    def hours_gone(self) -> set[datetime]:
        """Return the hours of which raw objects were in a change table's format and none is left in S3.

        Those that the table has a partition for and its prefix no folder: an hour of the other format does not stand in
        for one. None where partitions are projected, or a table is not there: then nothing tells which hours it had.
        """
        registered = {
            table.prefix: self.catalog.hours_of(table)
            for table in self.names.change_tables
            if not table.is_projected and self.catalog.table(table.name) is not None
        }
        # last: an hour that begins meanwhile is in S3 before it is in the catalog
        stored = self.raw_bucket.hours_by_prefix() if registered else {}
        return set[datetime]().union(
            *(hours - set(stored.get(prefix, ())) for prefix, hours in registered.items()),
        )

    @property
    def other_change_table(self) -> str:
        """Name of the change table of the other format, if it holds something; empty: it does not."""
        used = self.raw_bucket.used_prefixes
        return next((table.name for table in self.names.change_tables[1:] if table.prefix in used), "")

    @property
    def column_memory(self) -> ColumnMemory:
        """What is remembered of the attributes of items."""
        client = _clients.get(("s3", self.settings.connection), lambda: _make_s3_client(self.settings.connection))
        return ColumnMemory(client, self.names.raw_bucket, ITEM_COLUMNS_KEY)

    @property
    def catalog(self) -> ChangeCatalog:
        """The pipeline's database in the Glue catalog."""
        client = make_client("glue", self.settings.connection, hurried=self.hurried)
        return ChangeCatalog(client, self.names.database, self.names.change_tables)

    @property
    def baselines(self) -> BaselineStore:
        """The pipeline's baselines."""
        connection = self.settings.connection
        s3 = _clients.get(("s3", connection), lambda: _make_s3_client(connection))
        return BaselineStore(
            s3, make_client("glue", connection), self.names.raw_bucket, self.names.database, self.names.table
        )

    @property
    def statement_runs(self) -> StatementRuns:
        """Runs statements that outlive this process."""
        client = make_client("athena", self.settings.connection)
        return StatementRuns(client, self.names.workgroup, self.names.database, self._scan_cutoff_advice)

    @property
    def table_items(self) -> TableItems:
        """Some items of the table."""
        return TableItems(make_client("dynamodb", self.settings.connection), self.names.table)

    @property
    def table_export(self) -> TableExport:
        """The table, as far as its capture and its exports go."""
        client = make_client("dynamodb", self.settings.connection, hurried=self.hurried)
        return TableExport(client, self.names)

    @property
    def baseline_converter(self) -> BaselineConverter:
        """The function that makes rows of exported items."""
        connection = self.settings.connection
        client = _clients.get(
            ("lambda", connection, "patient"), lambda: _make_client("lambda", connection, 910, once=True)
        )
        return BaselineConverter(client, self.names.baseline_converter)

    @property
    def crawler(self) -> GlueCrawlerResource:
        """Starts and joins crawls."""
        client = make_client("glue", self.settings.connection)
        return GlueCrawlerResource(
            missing_crawler_advice=f"bring it back ({RESTORE_ADVICE})",
            late_advice=LATE_CRAWL_ADVICE,
            **_arguments(self.settings.connection),
        ).with_client(client)

    @property
    def athena(self) -> AthenaResource:
        """Runs SQL in the pipeline's workgroup and database."""
        return AthenaResource(
            workgroup=self.names.workgroup,
            database=self.names.database,
            missing_table_advice=MAKE_VIEWS_ADVICE,
            scan_cutoff_advice=self._scan_cutoff_advice,
            missing_results_advice=f"bring it back ({RESTORE_ADVICE})",
            unreadable_object_advice=UNREADABLE_OBJECT_ADVICE,
            denied_advice=STAGE_ADVICE.denied,
            unreachable_advice=STAGE_ADVICE.unreachable,
            settings_place=STAGE_ADVICE.settings_place,
            **_arguments(self.settings.connection),
        ).with_client(make_client("athena", self.settings.connection))

    @property
    def _s3(self) -> Any:
        connection = self.settings.connection
        if self.hurried:
            return make_client("s3", connection, hurried=True)
        return _clients.get(("s3", connection), lambda: _make_s3_client(connection))

    @property
    def _scan_cutoff_advice(self) -> str:
        return (
            f"narrow it, or raise scan_cutoff_mebibytes of stage {self.stage.name} in pipeline.toml "
            f"(now {self.stage.scan_cutoff_mebibytes}) and deploy; baselines bound what the views read "
            "(docs/baselines.md)"
        )


class PipelineAwsResource(ConfigurableResource):  # type: ignore[type-arg]  # the parameter is for resources that hand out another type
    """Finds, at the moment of use, the stage, the deployed names and the AWS clients of a pipeline."""

    declaration_file: str = Field(description="Path of pipeline.toml; `.env` is looked for beside it.")

    @contextmanager
    def deployment(self, pipeline_name: str, *, hurried: bool = False) -> Iterator[Deployment]:
        """Give access to a pipeline on the configured stage.

        Args:
            pipeline_name: Name of the pipeline in `pipeline.toml`.
            hurried: Whether calls are given up early and no request is sent late, as in a tick.

        Yields:
            The deployment. botocore's errors inside the block come out as `PipelineError`.

        Raises:
            PipelineError: There is no stage, no way to AWS or no stack; the message says what to do.
        """
        try:
            declaration = load_declaration(Path(self.declaration_file), leave_out_wrong=True)
            if pipeline_name in declaration.left_out:
                raise declaration.left_out[pipeline_name]
            settings = read_settings(declaration.path.parent)
            stage = declaration.stage(settings.stage)
        except DeclarationError as error:
            raise SettingsError(str(error)) from error
        if pipeline_name not in declaration.pipelines:
            raise SettingsError(f"{declaration.path}: pipelines: '{pipeline_name}' is gone: reload the definitions")
        with within_a_tick() if hurried else nullcontext(), explained(settings.where):
            names = published_names(pipeline_name, settings, hurried=hurried)
            yield Deployment(declaration.pipelines[pipeline_name], stage, settings, names, hurried)

    @contextmanager
    def stack(self, pipeline_name: str, *, hurried: bool = False) -> Iterator[tuple[Settings, PublishedNames]]:
        """Give access to what a pipeline's stack published, whatever `pipeline.toml` says of it now.

        Args:
            pipeline_name: Name of the pipeline.
            hurried: Whether calls are given up early and no request is sent late, as in a tick.

        Yields:
            Stage and way to AWS, and the names. botocore's errors inside the block come out as `PipelineError`.

        Raises:
            PipelineError: There is no stage, no way to AWS or no stack; the message says what to do.
        """
        settings = read_settings(Path(self.declaration_file).parent)
        with within_a_tick() if hurried else nullcontext(), explained(settings.where):
            yield settings, published_names(pipeline_name, settings, hurried=hurried)


def published_names(pipeline_name: str, settings: Settings, *, hurried: bool = False) -> PublishedNames:
    """Return the names that the stack published, read at most ten seconds ago.

    Args:
        pipeline_name: Name of the pipeline.
        settings: Stage, and how AWS is reached.
        hurried: Whether the call is given up early.

    Raises:
        PipelineError: The stack is not deployed, or by another version of this project.
    """
    parameter = ComputedNames(pipeline_name, settings.stage).parameter
    key = (settings.connection, parameter)
    return _names.get(key, lambda: _read_names(pipeline_name, parameter, settings, hurried=hurried))


def make_client(service: str, connection: Connection, *, hurried: bool = False) -> Any:
    """Return a boto3 client, one made less than a minute ago if there is one: making one reads megabytes of models.

    Args:
        service: boto3's name of the service.
        connection: How AWS is reached.
        hurried: Whether calls are given up early, and requests refused in a tick that has no time for them.
    """
    if hurried:
        return _clients.get((service, connection, "hurried"), lambda: _make_client(service, connection, hurried=True))
    return _clients.get((service, connection), lambda: _make_client(service, connection))


def _make_client(
    service: str, connection: Connection, read_timeout: int = 60, *, hurried: bool = False, once: bool = False
) -> Any:
    from botocore.config import Config

    session = _sessions.get((connection, hurried), lambda: _make_session(connection, hurried=hurried))
    config = Config(
        connect_timeout=5,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": 1 if once else 5},
        # where the answer takes minutes, a network on the way may forget a connection that is silent (AWS: API Invoke)
        tcp_keepalive=once,
    )
    # a session is not safe between threads
    with _session_in_use:
        client = session.client(service, endpoint_url=connection.endpoint_url, config=None if hurried else config)
    refuse_cut_answers(client)
    if hurried:
        refuse_late_requests(client)
    return client


def _make_session(connection: Connection, *, hurried: bool) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.session import Session

    session = Session()
    if hurried:
        # also for the clients that botocore makes itself, to fetch credentials: of STS, of SSO
        session.set_default_client_config(
            Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            )
        )
    return boto3.Session(
        botocore_session=session,
        profile_name=connection.profile,
        region_name=connection.region,
        aws_access_key_id=connection.access_key_id,
        aws_secret_access_key=connection.secret_access_key,
        aws_session_token=connection.session_token,
    )


def _make_s3_client(connection: Connection) -> Any:
    from dagster_aws.s3 import S3Resource

    client = S3Resource(**_arguments(connection)).get_client()
    refuse_cut_answers(client)
    return client


def _read_names(pipeline_name: str, parameter: str, settings: Settings, *, hurried: bool) -> PublishedNames:
    from botocore.exceptions import ClientError

    client = make_client("ssm", settings.connection, hurried=hurried)
    with explained(settings.where):
        try:
            text = str(client.get_parameter(Name=parameter)["Parameter"]["Value"])
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ParameterNotFound":
                raise
            region = client.meta.region_name
            raise NotDeployedError(
                f"stage {settings.stage} of pipeline {pipeline_name} is not deployed: no SSM parameter {parameter} "
                f"in {region} at {client.meta.endpoint_url}: {DEPLOY_ADVICE}"
            ) from None
    try:
        return PublishedNames.from_json(text)
    except PublishedNamesError as error:
        raise PipelineError(f"SSM parameter {parameter} {error}") from error


def _arguments(connection: Connection) -> dict[str, Any]:
    """The connection in the field names that dagster-aws gave to its resources."""
    return {
        "region_name": connection.region,
        "endpoint_url": connection.endpoint_url,
        "profile_name": connection.profile,
        "aws_access_key_id": connection.access_key_id,
        "aws_secret_access_key": connection.secret_access_key,
        "aws_session_token": connection.session_token,
    }

"""A deployed local AWS, and what tests do with it: write, crawl, wait, ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddb_pipeline import view_sql
from ddb_pipeline.cli import local_stack
from ddb_pipeline.declaration import Declaration
from ddb_pipeline.local_aws.deployment import deploy
from ddb_pipeline.local_aws.server import LocalAws
from ddb_pipeline.names import PublishedNames

if TYPE_CHECKING:
    from dagster import RepositoryDefinition


@dataclass(frozen=True, eq=False)
class Deployed:
    """Endpoint and names of what is deployed; `eq=False` keeps it hashable by identity."""

    endpoint: str
    declaration: Declaration
    names: dict[str, PublishedNames]

    @cache  # noqa: B019 - lives as long as the session
    def loaded(self) -> RepositoryDefinition:
        """What Dagster loads: once, as its code server does."""
        from ddb_pipeline.definitions import build_definitions

        return build_definitions(self.declaration).get_repository_def()

    @cache  # noqa: B019 - lives as long as the session
    def client(self, service: str) -> Any:
        return local_stack.client(service, self.endpoint)

    def ask(self, pipeline: str, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        """The rows of a query in the pipeline's database and workgroup, through real PyAthena.

        Args:
            pipeline: The pipeline.
            sql: The query.
            parameters: Values of its `?`, as SQL.
        """
        return self.ask_and_weigh(pipeline, sql, *parameters)[0]

    def ask_and_weigh(self, pipeline: str, sql: str, *parameters: str) -> tuple[list[tuple[Any, ...]], int]:
        """The same, and how many bytes Athena scanned for it."""
        cursor = self.connection(pipeline).cursor().execute(sql, list(parameters) or None, paramstyle="qmark")
        return cursor.fetchall(), cursor.data_scanned_in_bytes or 0

    @cache  # noqa: B019 - lives as long as the session
    def connection(self, pipeline: str) -> Any:
        """A PyAthena connection to the pipeline's database and workgroup."""
        from pyathena import connect

        names = self.names[pipeline]
        settings = local_stack.environment(self.endpoint)
        return connect(
            schema_name=names.database,
            work_group=names.workgroup,
            region_name=names.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
            poll_interval=0.05,
        )

    def crawl(self, pipeline: str) -> None:
        """Crawl, and wait until the crawl has ended."""
        glue, crawler = self.client("glue"), self.names[pipeline].crawler
        wait_until(lambda: glue.get_crawler(Name=crawler)["Crawler"]["State"] == "READY", "an earlier crawl has ended")
        glue.start_crawler(Name=crawler)
        wait_until(lambda: glue.get_crawler(Name=crawler)["Crawler"]["State"] == "READY", "the crawl has ended")
        assert glue.get_crawler(Name=crawler)["Crawler"]["LastCrawl"]["Status"] == "SUCCEEDED"

    def make_views(self, pipeline: str, inputs: view_sql.ViewInputs = view_sql.NOTHING_KNOWN) -> None:
        """Create the views from their SQL."""
        declared = self.declaration.pipelines[pipeline]
        for view in view_sql.views(declared, inputs):
            self.ask(pipeline, view_sql.create_view_statement(view, declared, self.names[pipeline], inputs))

    def table_input(self, pipeline: str, table: str) -> dict[str, Any]:
        """What UpdateTable takes to leave a table of the pipeline's database as it is (shape TableInput)."""
        glue = self.client("glue")
        described = glue.get_table(DatabaseName=self.names[pipeline].database, Name=table)["Table"]
        taken = glue.meta.service_model.shape_for("TableInput").members
        return {name: value for name, value in described.items() if name in taken}

    def wait_for_rows(self, pipeline: str, condition: str, rows: int) -> None:
        """Crawl until that many change rows that meet the condition have arrived in the change table."""
        sql = f"SELECT count(*) FROM {self.names[pipeline].change_table} WHERE {condition}"

        def arrived() -> bool:
            self.crawl(pipeline)
            return self.ask(pipeline, sql)[0][0] >= rows

        wait_until(arrived, f"{rows} change rows with {condition}", pause=0.5)


@contextmanager
def local_stage(declaration: Declaration, assembly: Path, directory: Path) -> Iterator[Deployed]:
    """A local AWS in this process, with every stack of the assembly deployed to it."""
    with LocalAws(directory=directory) as server:
        deploy(assembly, server.endpoint, local_stack.REGION)
        names = local_stack.published_names(declaration, server.endpoint)
        yield Deployed(server.endpoint, declaration, names)


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = 180, pause: float = 0.05) -> None:
    """Wait until the condition holds; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {what}"
        time.sleep(pause)

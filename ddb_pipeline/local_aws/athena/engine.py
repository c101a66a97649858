"""Runs queries in the background: catalog and S3 of this process, one DuckDB for all."""

from __future__ import annotations

import json
import logging
import re
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeKey, S3Backend, s3_backends
from moto.utilities.utils import get_partition

from ddb_pipeline.local_aws.athena import python_functions, results
from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.catalog import Catalog
from ddb_pipeline.local_aws.athena.errors import SYSTEM_ERROR, QueryCancelledError, QueryFailedError
from ddb_pipeline.local_aws.athena.execution import QueryExecution
from ddb_pipeline.local_aws.athena.macros import MACROS
from ddb_pipeline.local_aws.athena.plans import Plan, Session, Write
from ddb_pipeline.local_aws.athena.pruning import selected
from ddb_pipeline.local_aws.athena.relations import Field
from ddb_pipeline.local_aws.athena.statements import prepare
from ddb_pipeline.local_aws.athena.storage import CutoffExceededError, Storage
from ddb_pipeline.local_aws.athena.types import BIGINT
from ddb_pipeline.local_aws.athena.workers import Workers
from ddb_pipeline.local_aws.athena.writer import Writer

_LOG = logging.getLogger(__name__)
_WORKERS = 4
# of a process that shall stay below 1 GB with all it holds; what does not fit is spilled
_MEMORY_LIMIT = "600MB"
_BATCH = 5000
_BY_USER = "Query cancelled by user"
# Athena cancels a query that reads too much (ug/workgroups-setting-control-limits-cloudwatch.html)
_OVER_CUTOFF = "Bytes scanned limit was exceeded"
_NAMES: dict[type[duckdb.Error], str] = {
    duckdb.OutOfRangeException: "NUMERIC_VALUE_OUT_OF_RANGE",
    duckdb.ConversionException: "NUMERIC_VALUE_OUT_OF_RANGE",
    duckdb.InvalidInputException: "INVALID_FUNCTION_ARGUMENT",
    duckdb.NotImplementedException: "NOT_SUPPORTED",
}
"""Trino's names of what DuckDB finds while it runs."""
_ENCRYPTION = {"SSE_S3": "AES256", "SSE_KMS": "aws:kms"}


class Engine:
    """Queries of one account and region.

    Args:
        account: The account.
        region: The region.
    """

    def __init__(self, account: str, region: str) -> None:
        self._s3: S3Backend = s3_backends[account][get_partition(region)]
        self.catalog = Catalog(account, region)
        # removed when the process ends, also if nobody closes the engine
        self._temporary = tempfile.TemporaryDirectory(prefix="local-athena-", ignore_cleanup_errors=True)
        self.directory = Path(self._temporary.name)
        objects = self.directory / "objects"
        objects.mkdir()
        self._storage = Storage(self._s3, objects)
        self._writer = Writer(self._s3, self.catalog, self._storage, objects)
        self._duckdb = connect(self.directory, objects)
        self._workers = Workers(_WORKERS, self._run)
        self._executions: list[QueryExecution] = []
        self.is_closed = False

    def submit(self, execution: QueryExecution) -> None:
        """Queue a query; its state tells how it goes."""
        self._executions = [known for known in self._executions if known.completed is None]
        self._executions.append(execution)
        self._workers.submit(execution)

    def has_object(self, location: str) -> bool:
        """Whether there is an object at an address in S3."""
        bucket, _, name = location.removeprefix("s3://").partition("/")
        try:
            return isinstance(self._s3.get_bucket(bucket).keys.get(name), FakeKey)
        except MissingBucket:
            return False

    def close(self) -> None:
        """Interrupt what runs, wait for it to end, and remove all local files."""
        self.is_closed = True
        for execution in self._executions:
            execution.cancel()
        self._workers.end()
        for execution in self._executions:
            execution.wait()
        try:
            self._duckdb.close()
        except duckdb.ResourceInUseException:
            if not self._workers.are_busy:
                raise
            _LOG.info("DuckDB stays open until the process ends: it has not given back a query that was stopped")
        self._temporary.cleanup()

    def _run(self, execution: QueryExecution) -> None:
        connection = self._duckdb.cursor()
        try:
            if not execution.begin(connection):
                return
            self._answer(execution, connection)
            execution.finish("SUCCEEDED")
        except QueryCancelledError as error:
            execution.finish("CANCELLED", str(error))
        except QueryFailedError as error:
            execution.finish("FAILED", str(error), error.category)
        except duckdb.Error as error:
            if execution.is_cancelled:
                execution.finish("CANCELLED", _BY_USER)
            else:
                failure = translate(error)
                execution.finish("FAILED", str(failure), failure.category)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client must see the query end
            _LOG.exception("query %s failed inside local AWS", execution.id)
            execution.finish("FAILED", f"GENERIC_INTERNAL_ERROR: local AWS failed: {error!r}", SYSTEM_ERROR)
        finally:
            connection.close()

    def _answer(self, execution: QueryExecution, connection: duckdb.DuckDBPyConnection) -> None:
        self._require_bucket(execution)
        outcome = prepare(
            Session(
                execution.sql,
                execution.database,
                datetime.now(UTC),
                self.catalog,
                execution.id,
                execution.results_folder,
                execution.is_enforced,
                execution.parameters,
                execution.prepared,
                self._storage.names,
            )
        )
        plan = outcome.plan if isinstance(outcome, Write) else outcome
        if isinstance(plan, Plan):
            self._stage(execution, plan, connection)
        execution.planned = time.time()
        if isinstance(outcome, Plan):
            execution.fields = outcome.relation.fields
            connection.execute(outcome.relation.sql)
            execution.rows = results.write_rows(
                execution.result_file, execution.fields, _batches(execution, connection)
            )
        elif isinstance(outcome, Write):
            # also of an EXECUTE, whose own words do not say it
            execution.statement_type, execution.substatement_type = outcome.kinds
            execution.fields = (Field("rows", BIGINT),)
            execution.result_file.write_text("", encoding="utf-8")
            self._writer.write(connection, execution, outcome)
        else:
            execution.fields, execution.lines = outcome.fields, outcome.lines
            execution.result_file.write_text("".join(f"{line}\n" for line in outcome.lines), encoding="utf-8")
        self._publish(execution)

    def _stage(self, execution: QueryExecution, plan: Plan, connection: duckdb.DuckDBPyConnection) -> None:
        for scan in plan.scans:
            partitions = selected(connection, scan)
            left = None if execution.cutoff is None else execution.cutoff - execution.scanned
            try:
                staged = self._storage.stage(partitions, scan.table.format, left)
            except CutoffExceededError as error:
                execution.scanned += error.size
                raise QueryCancelledError(_OVER_CUTOFF) from None
            if execution.is_cancelled:
                raise QueryCancelledError(_BY_USER)
            used = scan.used(plan.relation.sql)
            rows, size = self._storage.rows(connection, scan.table, staged, used, lambda: execution.is_cancelled)
            if execution.is_cancelled:
                raise QueryCancelledError(_BY_USER)
            execution.scanned += size
            if left is not None and size > left:
                raise QueryCancelledError(_OVER_CUTOFF)
            connection.execute(f"CREATE TEMP VIEW {scan.name} AS {rows}")

    def _require_bucket(self, execution: QueryExecution) -> None:
        bucket = execution.output_location.removeprefix("s3://").partition("/")[0]
        try:
            self._s3.get_bucket(bucket)
        except MissingBucket:
            raise QueryFailedError(
                "INVALID_OUTPUT_LOCATION", f"Unable to verify/create output bucket {bucket}: it does not exist"
            ) from None

    def _publish(self, execution: QueryExecution) -> None:
        """Write the result and its metadata to S3, encrypted as the workgroup says."""
        bucket, _, key = execution.output_location.removeprefix("s3://").partition("/")
        encryption = execution.result_configuration.get("EncryptionConfiguration") or {}
        options: dict[str, Any] = {
            "encryption": _ENCRYPTION.get(str(encryption.get("EncryptionOption"))),
            "kms_key_id": encryption.get("KmsKey"),
        }
        if execution.update_count is None:
            self._s3.put_object(bucket, key, execution.result_file.read_bytes(), **options)
        metadata = json.dumps(results.column_info(execution.fields)).encode()
        self._s3.put_object(bucket, f"{key}.metadata", metadata, **options)


def connect(directory: Path, objects: Path) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB in memory that knows the macros and reads no file but the copies.

    Args:
        directory: Where it may spill what does not fit into memory.
        objects: Where the copies of S3 objects are.
    """
    connection = duckdb.connect(":memory:", config={"memory_limit": _MEMORY_LIMIT})
    connection.execute(f"SET temp_directory={text(str(directory / 'spill'))}")
    python_functions.register(connection)
    for macro in MACROS:
        connection.execute(f"CREATE MACRO {macro}")
    # it would take what a TRY guards out of the TRY
    connection.execute("SET disabled_optimizers='common_subexpressions'")
    # DuckDB may read the copies of S3 objects, and nothing else of this machine
    connection.execute(f"SET allowed_directories=[{text(f'{objects}/')}]")
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")
    return connection


def _batches(execution: QueryExecution, connection: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    while rows := connection.fetchmany(_BATCH):
        if execution.is_cancelled:
            raise QueryCancelledError(_BY_USER)
        yield rows


def translate(error: duckdb.Error) -> QueryFailedError:  # noqa: PLR0911
    """Say what DuckDB found in Trino's words, as far as it is the query's doing."""
    message = str(error)
    marked = re.search(r"\[ATHENA\](\w+): (.*?)\[/ATHENA\]", message, re.DOTALL)
    if marked:
        return QueryFailedError(marked[1], marked[2])
    if "Division by zero" in message:
        return QueryFailedError("DIVISION_BY_ZERO", "Division by zero")
    if "More than one row returned by a subquery" in message:
        return QueryFailedError("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows")
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryFailedError(
            "EXCEEDED_LOCAL_MEMORY_LIMIT", f"the query needs more than {_MEMORY_LIMIT} in local AWS"
        )
    too_large = re.search(
        r"(?:Could not convert|Casting value|Could not cast value) .*? to (?:type )?(DECIMAL\(\d+,\d+\))", message
    )
    if too_large:
        return QueryFailedError("INVALID_CAST_ARGUMENT", f"Cannot cast the value to {too_large[1]}")
    unread = re.search(r"Could not convert string '(.*?)' to (\w+)", message, re.DOTALL)
    if unread:
        return QueryFailedError("INVALID_CAST_ARGUMENT", f"Cannot cast '{unread[1]}' to {unread[2]}")
    first = message.splitlines()[0]
    if isinstance(error, duckdb.ConversionException) and re.search(r"(date|timestamp|time) (field|value)", first):
        return QueryFailedError("INVALID_CAST_ARGUMENT", first.partition(": ")[2])
    name = next((name for kind, name in _NAMES.items() if isinstance(error, kind)), None)
    if name is not None:
        return QueryFailedError(name, first.partition(": ")[2])
    return QueryFailedError("GENERIC_INTERNAL_ERROR", f"local AWS could not run this: {first}", category=SYSTEM_ERROR)

"""Athena's state: executions, request tokens, workgroups that are enforced. moto keeps the rest."""

from __future__ import annotations

import threading
import uuid
from types import SimpleNamespace
from typing import Any, cast

from moto.athena import urls
from moto.athena.models import AthenaBackend, WorkGroup, athena_backends

from ddb_pipeline.local_aws.athena import results
from ddb_pipeline.local_aws.athena.engine import Engine
from ddb_pipeline.local_aws.athena.errors import InvalidRequestError
from ddb_pipeline.local_aws.athena.execution import QueryExecution
from ddb_pipeline.local_aws.athena.paging import offset, page
from ddb_pipeline.local_aws.athena.plans import PreparedStatement
from ddb_pipeline.local_aws.athena.reuse import max_age_seconds, reusable
from ddb_pipeline.local_aws.athena.statements import kinds
from ddb_pipeline.local_aws.athena.workgroups import PRIMARY

MAX_RESULTS = 1000
_TOKEN_LENGTHS = (32, 128)

_engines: list[Engine] = []
_engines_lock = threading.Lock()


class LocalAthenaBackend(AthenaBackend):
    """Athena of one account and region, which really runs queries."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.query_executions: dict[str, QueryExecution] = {}
        # by workgroup and name
        self.prepared: dict[str, dict[str, PreparedStatement]] = {}
        # by client request token: id and content of the named query that it made
        self.named_query_tokens: dict[str, tuple[str, tuple[Any, ...]]] = {}
        self._lock = threading.RLock()
        self._engine: Engine | None = None

    @property
    def _url_module(self) -> Any:
        from ddb_pipeline.local_aws.athena.api import LocalAthenaResponse

        return SimpleNamespace(url_bases=urls.url_bases, url_paths={"{0}/$": LocalAthenaResponse.dispatch})

    @property
    def engine(self) -> Engine:
        """What runs the queries; made when first needed."""
        with self._lock:
            if self._engine is None or self._engine.is_closed:
                self._engine = Engine(self.account_id, self.region_name)
                with _engines_lock:
                    _engines.append(self._engine)
            return self._engine

    def start(self, request: dict[str, Any]) -> str:
        """StartQueryExecution: queue a query and return its id.

        Args:
            request: The request's parameters.

        Raises:
            InvalidRequestError: Workgroup, token, parameters or output location are wrong.
        """
        group = self.group(request.get("WorkGroup") or PRIMARY)
        if group.state != "ENABLED":
            raise InvalidRequestError(f"WorkGroup {group.name} is disabled.")
        sql = str(request.get("QueryString") or "")
        if not sql.strip():
            raise InvalidRequestError("Query string is empty.")
        token = request.get("ClientRequestToken")
        if token is not None and not _TOKEN_LENGTHS[0] <= len(token) <= _TOKEN_LENGTHS[1]:
            raise InvalidRequestError("ClientRequestToken must be 32 to 128 characters long")
        context = dict(request.get("QueryExecutionContext") or {})
        catalog = str(context.get("Catalog") or "awsdatacatalog")
        if catalog.lower() != "awsdatacatalog":
            raise InvalidRequestError(f"the data catalog {catalog} is not supported by local AWS")
        with self._lock:
            known = self._by_token(token, request)
            if known is not None:
                return known.id
            identity = str(uuid.uuid4())
            statement_type, substatement_type = kinds(sql)
            execution = QueryExecution(
                id=identity,
                sql=sql,
                workgroup=group.name,
                context=context,
                result_configuration=_result_configuration(group.configuration, request.get("ResultConfiguration")),
                is_enforced=bool(group.configuration.get("EnforceWorkGroupConfiguration")),
                cutoff=group.configuration.get("BytesScannedCutoffPerQuery"),
                token=token,
                request=_asked(request),
                parameters=tuple(map(str, request.get("ExecutionParameters") or ())),
                prepared=self.prepared_of(group.name),
                reuse_configuration=dict(request.get("ResultReuseConfiguration") or {}),
                reuse_seconds=max_age_seconds(request.get("ResultReuseConfiguration")),
                result_file=self.engine.directory / f"{identity}.result",
                statement_type=statement_type,
                substatement_type=substatement_type,
            )
            earlier = reusable(execution, self.query_executions.values(), self.engine.has_object)
            self.query_executions[identity] = execution
        if earlier is not None:
            execution.reuse(earlier)
        else:
            self.engine.submit(execution)
        return identity

    def _by_token(self, token: str | None, request: dict[str, Any]) -> QueryExecution | None:
        for known in self.query_executions.values():
            if token is not None and known.token == token:
                if known.request != _asked(request):
                    raise InvalidRequestError("Idempotent parameters do not match")
                return known
        return None

    def group(self, name: str) -> WorkGroup:
        """Look a workgroup up.

        Raises:
            InvalidRequestError: There is none of that name.
        """
        found = self.work_groups.get(name)
        if found is None:
            raise InvalidRequestError(f"WorkGroup {name} is not found.")
        return found

    def prepared_of(self, group: str) -> dict[str, PreparedStatement]:
        """Prepared statements of a workgroup, by name."""
        return self.prepared.setdefault(group, {})

    def remove_group(self, name: str, *, with_content: bool) -> None:
        """Delete a workgroup.

        Args:
            name: Its name.
            with_content: Whether its named queries, prepared statements and query executions go too.

        Raises:
            InvalidRequestError: It is not empty.
        """
        with self._lock:
            queries = [one.id for one in self.named_queries.values() if one.workgroup.name == name]
            executions = [one.id for one in self.query_executions.values() if one.workgroup == name]
            if (queries or executions or self.prepared.get(name)) and not with_content:
                raise InvalidRequestError(f"WorkGroup {name} is not empty")
            for query in queries:
                del self.named_queries[query]
            for identity in executions:
                self.query_executions.pop(identity).cancel()
            self.prepared.pop(name, None)
            del self.work_groups[name]

    def execution(self, identity: str) -> QueryExecution:
        """Look a query up.

        Raises:
            InvalidRequestError: There is none of that id.
        """
        found = self.query_executions.get(identity)
        if found is None:
            raise InvalidRequestError(f"QueryExecution {identity} was not found")
        return found

    def list_executions(
        self, workgroup: str | None, limit: int | None, token: str | None
    ) -> tuple[list[str], str | None]:
        """ListQueryExecutions: ids of a workgroup, newest first, and the token of the next page."""
        name = self.group(workgroup or PRIMARY).name
        found = [one.id for one in reversed(list(self.query_executions.values())) if one.workgroup == name]
        return page(found, token, limit)

    def results(self, identity: str, limit: int | None, token: str | None) -> dict[str, Any]:
        """GetQueryResults: a page of rows. The first row of the first page holds the names of the columns.

        Raises:
            InvalidRequestError: The query has not succeeded, or the page size or token is wrong.
        """
        execution = self.execution(identity)
        if execution.state != "SUCCEEDED":
            verb = "has not yet finished" if execution.completed is None else "did not finish successfully"
            raise InvalidRequestError(f"Query {verb}. Current state: {execution.state}")
        if limit is not None and not 1 <= limit <= MAX_RESULTS:
            raise InvalidRequestError(f"MaxResults is {limit}; allowed is 1 to {MAX_RESULTS}")
        start, count = offset(token), limit or MAX_RESULTS
        if execution.lines is not None:
            lines: list[list[str | None]] = [[line] for line in execution.lines[start : start + count]]
            following = start + count if len(execution.lines) > start + count else None
        else:
            lines, following = results.read_rows(execution.result_file, start, count)
        rows = [{"Data": [{} if text is None else {"VarCharValue": text} for text in line]} for line in lines]
        answer: dict[str, Any] = {
            "UpdateCount": execution.update_count or 0,
            "ResultSet": {
                "Rows": rows,
                "ResultSetMetadata": {"ColumnInfo": results.column_info(execution.fields)},
            },
        }
        return answer | ({"NextToken": str(following)} if following is not None else {})


def _result_configuration(group: dict[str, Any], own: dict[str, Any] | None) -> dict[str, Any]:
    """Where a result goes: the workgroup decides if it is enforced, else the request, else the workgroup."""
    of_group = dict(group.get("ResultConfiguration") or {})
    chosen = of_group if group.get("EnforceWorkGroupConfiguration") else {**of_group, **(own or {})}
    location = str(chosen.get("OutputLocation") or "")
    if not location:
        raise InvalidRequestError(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    if not location.startswith("s3://"):
        raise InvalidRequestError(f"outputLocation is not a valid S3 path: {location}")
    return chosen


def _asked(request: dict[str, Any]) -> dict[str, Any]:
    """What must be the same when a token comes again."""
    return {name: value for name, value in request.items() if name != "ClientRequestToken"}


def athena_of(account: str, region: str) -> LocalAthenaBackend:
    """Athena of an account and region."""
    return cast("LocalAthenaBackend", athena_backends[account][region])


def close_engines() -> None:
    """End all queries of all regions."""
    with _engines_lock:
        engines = list(_engines)
        _engines.clear()
    for engine in engines:
        engine.close()

"""Athena's API in front of the backend: operations that moto lacks or answers without running anything."""

from __future__ import annotations

import json
from typing import Any, cast

from moto.athena.exceptions import MetadataException
from moto.athena.models import athena_backends
from moto.athena.responses import AthenaResponse

from ddb_pipeline.local_aws.athena.backend import InvalidRequestError, LocalAthenaBackend

_BATCH = 50


class LocalAthenaResponse(AthenaResponse):
    """Each method is an operation of the API, named in snake case."""

    @property
    def athena_backend(self) -> LocalAthenaBackend:
        """Athena of the caller's account and region."""
        return cast("LocalAthenaBackend", athena_backends[self.current_account][self.region])

    def start_query_execution(self) -> str:
        """StartQueryExecution."""
        return json.dumps({"QueryExecutionId": self.athena_backend.start(json.loads(self.body))})

    def get_query_execution(self) -> str:
        """GetQueryExecution."""
        execution = self.athena_backend.execution(self._get_param("QueryExecutionId"))
        return json.dumps({"QueryExecution": execution.describe()})

    def batch_get_query_execution(self) -> str:
        """BatchGetQueryExecution, of 50 at most."""
        ids = self._get_param("QueryExecutionIds") or []
        if len(ids) > _BATCH:
            raise InvalidRequestError(f"{len(ids)} QueryExecutionIds; allowed are 1 to {_BATCH}")
        known = self.athena_backend.query_executions
        missing = [
            {
                "QueryExecutionId": one,
                "ErrorCode": "INVALID_INPUT",
                "ErrorMessage": f"QueryExecution {one} was not found",
            }
            for one in ids
            if one not in known
        ]
        found = [known[one].describe() for one in ids if one in known]
        return json.dumps({"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing})

    def get_query_results(self) -> str:
        """GetQueryResults."""
        limit, token = self._get_param("MaxResults"), self._get_param("NextToken")
        return json.dumps(self.athena_backend.results(self._get_param("QueryExecutionId"), limit, token))

    def stop_query_execution(self) -> str:
        """StopQueryExecution."""
        self.athena_backend.execution(self._get_param("QueryExecutionId")).cancel()
        return "{}"

    def list_query_executions(self) -> str:
        """ListQueryExecutions."""
        ids, token = self.athena_backend.list_executions(
            self._get_param("WorkGroup"), self._get_param("MaxResults"), self._get_param("NextToken")
        )
        return json.dumps({"QueryExecutionIds": ids} | ({"NextToken": token} if token else {}))

    def get_query_runtime_statistics(self) -> str:
        """GetQueryRuntimeStatistics: not known."""
        raise InvalidRequestError("GetQueryRuntimeStatistics is not supported by local AWS")

    def get_work_group(self) -> str:
        """GetWorkGroup."""
        name = self._get_param("WorkGroup")
        found = self.athena_backend.get_work_group(name)
        if found is None:
            raise InvalidRequestError(f"WorkGroup {name} is not found.")
        return json.dumps({"WorkGroup": found})

    def delete_named_query(self) -> str:
        """DeleteNamedQuery."""
        name = self._get_param("NamedQueryId")
        if self.athena_backend.named_queries.pop(name, None) is None:
            raise InvalidRequestError(f"NamedQuery {name} was not found")
        return "{}"

    def list_databases(self) -> str:
        """ListDatabases, from the Glue catalog."""
        self._require_catalog()
        return json.dumps({"DatabaseList": self.athena_backend.engine.catalog.databases()})

    def get_database(self) -> str:
        """GetDatabase, from the Glue catalog."""
        return json.dumps({"Database": self._database()})

    def list_table_metadata(self) -> str:
        """ListTableMetadata, from the Glue catalog."""
        database = self._database()["Name"]
        expression = self._get_param("Expression")
        if expression:
            raise InvalidRequestError("Expression in ListTableMetadata is not supported by local AWS")
        return json.dumps({"TableMetadataList": self.athena_backend.engine.catalog.tables(database)})

    def get_table_metadata(self) -> str:
        """GetTableMetadata, from the Glue catalog."""
        database, name = self._database()["Name"], str(self._get_param("TableName"))
        for table in self.athena_backend.engine.catalog.tables(database):
            if table["Name"] == name.lower():
                return json.dumps({"TableMetadata": table})
        raise MetadataException(f"EntityNotFoundException: Table {name} not found.")

    def _require_catalog(self) -> None:
        catalog = str(self._get_param("CatalogName"))
        if catalog.lower() != "awsdatacatalog":
            raise InvalidRequestError(f"the data catalog {catalog} is not supported by local AWS")

    def _database(self) -> dict[str, Any]:
        self._require_catalog()
        name = str(self._get_param("DatabaseName"))
        for database in self.athena_backend.engine.catalog.databases():
            if database["Name"] == name.lower():
                return database
        raise MetadataException(f"EntityNotFoundException: Database {name} not found.")

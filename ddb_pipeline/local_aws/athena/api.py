"""Athena's API in front of the backend: operations that moto lacks or answers without running anything."""

from __future__ import annotations

import json

from ddb_pipeline.local_aws.athena.api_catalog import CatalogOperations


class LocalAthenaResponse(CatalogOperations):
    """Each method is an operation of the API, named in snake case; those on other things are in its bases."""

    def start_query_execution(self) -> str:
        """StartQueryExecution."""
        return json.dumps({"QueryExecutionId": self.athena_backend.start(json.loads(self.body))})

    def get_query_execution(self) -> str:
        """GetQueryExecution."""
        execution = self.athena_backend.execution(self._get_param("QueryExecutionId"))
        return json.dumps({"QueryExecution": execution.describe()})

    def batch_get_query_execution(self) -> str:
        """BatchGetQueryExecution, of 50 at most."""
        ids, known = self._batch("QueryExecutionIds"), self.athena_backend.query_executions
        missing = [
            self._missing("QueryExecutionId", one, f"QueryExecution {one} was not found")
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
        """GetQueryRuntimeStatistics: times, bytes and rows of the whole query; no stages."""
        execution = self.athena_backend.execution(self._get_param("QueryExecutionId"))
        times = {name: value for name, value in execution.statistics().items() if name.endswith("InMillis")}
        rows = {"InputBytes": execution.scanned, "OutputRows": execution.update_count or execution.rows}
        return json.dumps({"QueryRuntimeStatistics": {"Timeline": times, "Rows": rows}})

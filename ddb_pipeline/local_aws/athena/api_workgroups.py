"""Operations of Athena's API on workgroups, named queries and prepared statements."""

from __future__ import annotations

import json
import time
from typing import Any

from moto.athena.models import NamedQuery, WorkGroup
from moto.athena.responses import AthenaResponse

from ddb_pipeline.local_aws.athena import workgroups
from ddb_pipeline.local_aws.athena.backend import LocalAthenaBackend, athena_of
from ddb_pipeline.local_aws.athena.errors import InvalidRequestError, ResourceNotFoundError
from ddb_pipeline.local_aws.athena.paging import page
from ddb_pipeline.local_aws.athena.plans import PreparedStatement
from ddb_pipeline.local_aws.athena.prepared import NAME

_BATCH = 50
_TOKEN_LENGTHS = (32, 128)


class WorkGroupOperations(AthenaResponse):
    """Each method is an operation of the API, named in snake case."""

    @property
    def athena_backend(self) -> LocalAthenaBackend:
        """Athena of the caller's account and region."""
        return athena_of(self.current_account, self.region)

    def _group(self, name: str | None) -> WorkGroup:
        return self.athena_backend.group(name or workgroups.PRIMARY)

    def create_work_group(self) -> str:
        """CreateWorkGroup."""
        name = str(self._get_param("Name"))
        if name in self.athena_backend.work_groups:
            raise InvalidRequestError("WorkGroup is already created")
        configuration = workgroups.checked(dict(self._get_param("Configuration") or {}))
        made = self.athena_backend.create_work_group(
            name, configuration, str(self._get_param("Description") or ""), self._get_param("Tags") or []
        )
        if made is not None:
            workgroups.created(made)
        return "{}"

    def update_work_group(self) -> str:
        """UpdateWorkGroup: what it does not name stays."""
        group = self._group(self._get_param("WorkGroup"))
        configuration = workgroups.updated(group.configuration, dict(self._get_param("ConfigurationUpdates") or {}))
        group.configuration = configuration
        group.state = self._get_param("State") or group.state
        if self._get_param("Description") is not None:
            group.description = str(self._get_param("Description"))
        return "{}"

    def delete_work_group(self) -> str:
        """DeleteWorkGroup: with queries in it only on request."""
        group = self._group(self._get_param("WorkGroup"))
        if group.name == workgroups.PRIMARY:
            raise InvalidRequestError("Primary WorkGroup could not be deleted")
        self.athena_backend.remove_group(group.name, with_content=bool(self._get_param("RecursiveDeleteOption")))
        return "{}"

    def list_work_groups(self) -> str:
        """ListWorkGroups."""
        groups = [self.athena_backend.work_groups[name] for name in sorted(self.athena_backend.work_groups)]
        return self._page("WorkGroups", [workgroups.summary(group) for group in groups])

    def get_work_group(self) -> str:
        """GetWorkGroup."""
        return json.dumps({"WorkGroup": workgroups.shown(self._group(self._get_param("WorkGroup")))})

    # named queries

    def create_named_query(self) -> str:
        """CreateNamedQuery: the same token and the same query make one."""
        group = self._group(self._get_param("WorkGroup"))
        token = self._get_param("ClientRequestToken")
        if token is not None and not _TOKEN_LENGTHS[0] <= len(token) <= _TOKEN_LENGTHS[1]:
            raise InvalidRequestError("ClientRequestToken must be 32 to 128 characters long")
        fields = {key: self._get_param(key) for key in ("Name", "Description", "Database", "QueryString")}
        content = (group.name, *fields.values())
        known = self.athena_backend.named_query_tokens.get(token)
        if known is not None and known[0] in self.athena_backend.named_queries:
            if known[1] != content:
                raise InvalidRequestError("Idempotent parameters do not match")
            return json.dumps({"NamedQueryId": known[0]})
        identity = self.athena_backend.create_named_query(
            fields["Name"], fields["Description"], fields["Database"], fields["QueryString"], group.name
        )
        if token is not None:
            self.athena_backend.named_query_tokens[token] = (identity, content)
        return json.dumps({"NamedQueryId": identity})

    def get_named_query(self) -> str:
        """GetNamedQuery."""
        return json.dumps({"NamedQuery": workgroups.shown_query(self._named_query())})

    def update_named_query(self) -> str:
        """UpdateNamedQuery: name and text are given anew, the description if it is to change."""
        query = self._named_query()
        query.name, query.query_string = self._get_param("Name"), self._get_param("QueryString")
        if self._get_param("Description") is not None:
            query.description = self._get_param("Description")
        return "{}"

    def delete_named_query(self) -> str:
        """DeleteNamedQuery."""
        del self.athena_backend.named_queries[self._named_query().id]
        return "{}"

    def list_named_queries(self) -> str:
        """ListNamedQueries of a workgroup."""
        group = self._group(self._get_param("WorkGroup"))
        queries = list(self.athena_backend.named_queries.values())
        return self._page("NamedQueryIds", [query.id for query in queries if query.workgroup.name == group.name])

    def batch_get_named_query(self) -> str:
        """BatchGetNamedQuery, of 50 at most."""
        ids = self._batch("NamedQueryIds")
        known = self.athena_backend.named_queries
        missing = [
            self._missing("NamedQueryId", one, f"NamedQuery {one} was not found") for one in ids if one not in known
        ]
        found = [workgroups.shown_query(known[one]) for one in ids if one in known]
        return json.dumps({"NamedQueries": found, "UnprocessedNamedQueryIds": missing})

    def _named_query(self) -> NamedQuery:
        identity = self._get_param("NamedQueryId")
        found: NamedQuery | None = self.athena_backend.named_queries.get(identity)
        if found is None:
            raise InvalidRequestError(f"NamedQuery {identity} was not found")
        return found

    # prepared statements

    def create_prepared_statement(self) -> str:
        """CreatePreparedStatement."""
        statements, name = self._statements(), str(self._get_param("StatementName"))
        if not NAME.fullmatch(name):
            raise InvalidRequestError(f"'{name}' is no name of a prepared statement")
        if name in statements:
            raise InvalidRequestError(f"Prepared statement {name} already exists")
        statements[name] = self._statement()
        return "{}"

    def update_prepared_statement(self) -> str:
        """UpdatePreparedStatement."""
        self._found_statement()
        self._statements()[str(self._get_param("StatementName"))] = self._statement()
        return "{}"

    def get_prepared_statement(self) -> str:
        """GetPreparedStatement."""
        self._found_statement()
        return json.dumps({"PreparedStatement": self._shown_statement(str(self._get_param("StatementName")))})

    def delete_prepared_statement(self) -> str:
        """DeletePreparedStatement."""
        self._found_statement()
        del self._statements()[str(self._get_param("StatementName"))]
        return "{}"

    def list_prepared_statements(self) -> str:
        """ListPreparedStatements of a workgroup."""
        shown = [self._shown_statement(name) for name in sorted(self._statements())]
        kept = [{key: one[key] for key in ("StatementName", "LastModifiedTime")} for one in shown]
        return self._page("PreparedStatements", kept)

    def batch_get_prepared_statement(self) -> str:
        """BatchGetPreparedStatement, of 50 at most."""
        names, known = self._batch("PreparedStatementNames"), self._statements()
        missing = [
            self._missing("StatementName", one, f"PreparedStatement {one} was not found")
            for one in names
            if one not in known
        ]
        found = [self._shown_statement(one) for one in names if one in known]
        return json.dumps({"PreparedStatements": found, "UnprocessedPreparedStatementNames": missing})

    def _statements(self) -> dict[str, PreparedStatement]:
        return self.athena_backend.prepared_of(self._group(self._get_param("WorkGroup")).name)

    def _statement(self) -> PreparedStatement:
        return PreparedStatement(str(self._get_param("QueryStatement")), time.time(), self._get_param("Description"))

    def _found_statement(self) -> None:
        name = str(self._get_param("StatementName"))
        if name not in self._statements():
            raise ResourceNotFoundError(f"PreparedStatement {name} was not found", name)

    def _shown_statement(self, name: str) -> dict[str, Any]:
        statement = self._statements()[name]
        shown = {
            "StatementName": name,
            "QueryStatement": statement.sql,
            "WorkGroupName": self._get_param("WorkGroup"),
            "LastModifiedTime": statement.modified,
        }
        return shown | ({"Description": statement.description} if statement.description else {})

    # common

    def _page(self, name: str, items: list[Any]) -> str:
        found, token = page(items, self._get_param("NextToken"), self._get_param("MaxResults"))
        return json.dumps({name: found} | ({"NextToken": token} if token else {}))

    def _batch(self, name: str) -> list[str]:
        ids = [str(one) for one in self._get_param(name) or []]
        if not 1 <= len(ids) <= _BATCH:
            raise InvalidRequestError(f"{len(ids)} {name}; allowed are 1 to {_BATCH}")
        return ids

    @staticmethod
    def _missing(key: str, identity: str, message: str) -> dict[str, str]:
        return {key: identity, "ErrorCode": "INVALID_INPUT", "ErrorMessage": message}

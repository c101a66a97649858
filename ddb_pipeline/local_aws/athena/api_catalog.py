"""Operations of Athena's API on data catalogs, databases and tables: read from the Glue catalog."""

from __future__ import annotations

import json
import re
from typing import Any

from moto.athena.exceptions import MetadataException

from ddb_pipeline.local_aws.athena.api_workgroups import WorkGroupOperations
from ddb_pipeline.local_aws.athena.errors import InvalidRequestError

CATALOG = "AwsDataCatalog"


class CatalogOperations(WorkGroupOperations):
    """Each method is an operation of the API, named in snake case."""

    def list_data_catalogs(self) -> str:
        """ListDataCatalogs: the Glue catalog is the only one."""
        return self._page("DataCatalogsSummary", [{"CatalogName": CATALOG, "Type": "GLUE"}])

    def get_data_catalog(self) -> str:
        """GetDataCatalog."""
        self._require_catalog(self._get_param("Name"))
        parameters = {"catalog-id": self.current_account}
        return json.dumps({"DataCatalog": {"Name": CATALOG, "Type": "GLUE", "Parameters": parameters}})

    def create_data_catalog(self) -> str:
        """CreateDataCatalog: not known."""
        raise InvalidRequestError("CreateDataCatalog is not supported by local AWS")

    def list_databases(self) -> str:
        """ListDatabases, from the Glue catalog."""
        self._require_catalog(self._get_param("CatalogName"))
        found = sorted(self.athena_backend.engine.catalog.databases(), key=lambda database: str(database["Name"]))
        return self._page("DatabaseList", found)

    def get_database(self) -> str:
        """GetDatabase, from the Glue catalog."""
        return json.dumps({"Database": self._database()})

    def list_table_metadata(self) -> str:
        """ListTableMetadata, from the Glue catalog: all tables, or those whose name the expression matches."""
        database = self._database()["Name"]
        expression = str(self._get_param("Expression") or ".*")
        try:
            matches = re.compile(expression, re.IGNORECASE).fullmatch
        except re.error as error:
            raise InvalidRequestError(f"the expression '{expression}' cannot be read: {error}") from None
        tables = sorted(self.athena_backend.engine.catalog.tables(database), key=lambda table: str(table["Name"]))
        return self._page("TableMetadataList", [table for table in tables if matches(str(table["Name"]))])

    def get_table_metadata(self) -> str:
        """GetTableMetadata, from the Glue catalog."""
        database, name = self._database()["Name"], str(self._get_param("TableName"))
        for table in self.athena_backend.engine.catalog.tables(database):
            if table["Name"] == name.lower():
                return json.dumps({"TableMetadata": table})
        raise MetadataException(f"EntityNotFoundException: Table {name} not found.")

    def _require_catalog(self, name: Any) -> None:
        if str(name).lower() != CATALOG.lower():
            raise InvalidRequestError(f"the data catalog {name} is not supported by local AWS")

    def _database(self) -> dict[str, Any]:
        self._require_catalog(self._get_param("CatalogName"))
        name = str(self._get_param("DatabaseName"))
        for database in self.athena_backend.engine.catalog.databases():
            if database["Name"] == name.lower():
                return database
        raise MetadataException(f"EntityNotFoundException: Database {name} not found.")

"""Names of tables and views in statements about them."""

from __future__ import annotations

from sqlglot import exp

from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported
from ddb_pipeline.local_aws.athena.plans import Session

CATALOG = "awsdatacatalog"


def name_of(node: exp.Expr, session: Session) -> tuple[str, str]:
    """Database and name, both lower case, of the table or view that a statement names.

    Raises:
        QueryFailedError: It is in another catalog, or its database is missing.
    """
    if not isinstance(node, exp.Table) or node.catalog.lower() not in {"", CATALOG}:
        raise not_supported(session.sql, node, f"a table or view outside the catalog {CATALOG}")
    schema = node.db.lower() or session.database
    if not schema:
        message = "Schema must be specified when session schema is not set"
        raise failed_at(session.sql, node, "MISSING_SCHEMA_NAME", message)
    if not session.catalog.has_database(schema):
        raise failed_at(session.sql, node, "SCHEMA_NOT_FOUND", f"Schema '{schema}' does not exist")
    return schema, node.name.lower()

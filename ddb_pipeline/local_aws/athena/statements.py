"""The statements that local AWS runs: queries, CREATE VIEW and DROP VIEW. All others are refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlglot import exp, tokenize
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import TokenType

from ddb_pipeline.local_aws.athena import views
from ddb_pipeline.local_aws.athena.catalog import Catalog
from ddb_pipeline.local_aws.athena.dialect import MAX_QUERY_BYTES, parse_statement
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, failed_at, not_supported
from ddb_pipeline.local_aws.athena.query import QueryCompiler
from ddb_pipeline.local_aws.athena.relations import Relation, Scan, Table, View

StatementType = Literal["DML", "DDL", "UTILITY"]
_DDL_WORDS = ("CREATE", "DROP", "ALTER", "MSCK", "SHOW", "DESCRIBE", "DESC")
# Athena's other statements ("SQL reference for Athena"); CREATE and DROP of other things are told apart later
_OTHER_STATEMENTS = frozenset(
    [
        "ALTER",
        "ANALYZE",
        "DEALLOCATE",
        "DELETE",
        "DESC",
        "DESCRIBE",
        "EXECUTE",
        "EXPLAIN",
        "INSERT",
        "MERGE",
        "MSCK",
        "OPTIMIZE",
        "PREPARE",
        "SHOW",
        "UNLOAD",
        "UPDATE",
        "VACUUM",
    ]
)


@dataclass(frozen=True)
class Plan:
    """A query that can run: its compiled SQL and the tables it reads."""

    relation: Relation
    scans: tuple[Scan, ...]


def kinds(sql: str) -> tuple[StatementType, str | None]:
    """StatementType and SubstatementType of a text, from its first words."""
    words = sql.upper().split()
    if not words:
        return "DML", None
    if words[0] in _DDL_WORDS:
        is_view = "VIEW" in words[1:4]
        return "DDL", f"{words[0]}_VIEW" if is_view and words[0] in {"CREATE", "DROP"} else None
    if words[0] == "EXPLAIN":
        return "UTILITY", "EXPLAIN"
    return "DML", "SELECT" if words[0].lstrip("(") in {"SELECT", "WITH", "VALUES"} else None


def prepare(sql: str, database: str | None, started: datetime, catalog: Catalog) -> Plan | None:
    """Compile a query, or carry a statement about views out.

    Args:
        sql: The text.
        database: Database of names without one.
        started: Start of the query, UTC.
        catalog: Where tables and views are.

    Returns:
        The plan of a query; None: the statement is done.

    Raises:
        QueryFailedError: It is wrong, or not supported.
    """
    if len(sql.encode()) > MAX_QUERY_BYTES:
        raise QueryFailedError("QUERY_TEXT_TOO_LARGE", f"the query is longer than {MAX_QUERY_BYTES} bytes")
    _refuse_by_first_word(sql)
    statement = parse_statement(sql)
    try:
        if isinstance(statement, exp.Query):
            return _plan(statement, sql, database, started, catalog)
        if isinstance(statement, exp.Create) and str(statement.args.get("kind")).upper() == "VIEW":
            _create_view(statement, sql, database, started, catalog)
        elif isinstance(statement, exp.Drop) and str(statement.args.get("kind")).upper() == "VIEW":
            _drop_view(statement, sql, database, catalog)
        else:
            name = statement.name if isinstance(statement, exp.Command) else statement.key
            raise not_supported(sql, None, f"the statement {str(name).upper()}")
    except RecursionError:
        raise QueryFailedError("SYNTAX_ERROR", "the query is nested too deeply") from None
    return None


def _refuse_by_first_word(sql: str) -> None:
    """Refuse by name what Athena runs and local AWS does not, whether or not the parser knows it."""
    try:
        first = next(iter(tokenize(sql, read="trino")), None)
    except TokenError:
        return  # parse_statement says what cannot be read
    word = first.text.upper() if first else ""
    if word in _OTHER_STATEMENTS:
        raise not_supported(sql, None, f"the statement {word}")


def _plan(node: exp.Expr, sql: str, database: str | None, started: datetime, catalog: Catalog) -> Plan:
    compiler = QueryCompiler(sql, database, started, catalog.find)
    return Plan(compiler.compile(node), tuple(compiler.scans))


def _create_view(statement: exp.Create, sql: str, database: str | None, started: datetime, catalog: Catalog) -> None:
    _refuse(statement, {"this", "kind", "replace", "expression"}, sql)
    if not isinstance(statement.this, exp.Table):
        raise not_supported(sql, statement.this, "a list of columns in CREATE VIEW")
    if not isinstance(statement.expression, exp.Query):
        raise failed_at(sql, statement, "SYNTAX_ERROR", "CREATE VIEW needs AS and a query")
    schema, name = _view_name(statement.this, sql, database, catalog)
    existing, full = catalog.entry(schema, name), f"awsdatacatalog.{schema}.{name}"
    if existing is not None and existing.get("TableType") != views.TABLE_TYPE:
        raise failed_at(sql, None, "TABLE_ALREADY_EXISTS", f"line 1:1: Table already exists: '{full}'")
    if existing is not None and not statement.args.get("replace"):
        raise failed_at(sql, None, "ALREADY_EXISTS", f"line 1:1: View already exists: '{full}'")

    def find(own_schema: str, own_name: str) -> Table | View | None:
        if (own_schema, own_name) == (schema, name) and existing is not None:
            raise QueryFailedError("VIEW_IS_RECURSIVE", "Statement would create a recursive view")
        return catalog.find(own_schema, own_name)

    # the query's own places count from its own text, as they will when the view is used
    text = query_text(sql)
    # names without a database are those of the session, which the view keeps
    compiler = QueryCompiler(text, database or schema, started, find)
    relation = compiler.query(parse_statement(text), None, {})
    catalog.put_view(
        schema, name, views.entry(database or schema, name, text, relation.fields), replaces=existing is not None
    )


def query_text(sql: str) -> str:
    """The query of a CREATE VIEW, as it was written, without a last semicolon."""
    tokens = tokenize(sql, read="trino")
    start = next((token.end + 1 for token in tokens if token.token_type == TokenType.ALIAS), None)
    last = [token for token in tokens if token.token_type != TokenType.SEMICOLON][-1]
    return sql[start : last.end + 1].strip()


def _drop_view(statement: exp.Drop, sql: str, database: str | None, catalog: Catalog) -> None:
    _refuse(statement, {"this", "tables", "kind", "exists"}, sql)
    targets = statement.args.get("tables") or [statement.this]
    if len(targets) != 1:
        raise not_supported(sql, statement, "DROP VIEW of several views")
    schema, name = _view_name(targets[0], sql, database, catalog)
    existing, full = catalog.entry(schema, name), f"awsdatacatalog.{schema}.{name}"
    if existing is None:
        if statement.args.get("exists"):
            return
        raise failed_at(sql, None, "TABLE_NOT_FOUND", f"line 1:1: View '{full}' does not exist")
    if existing.get("TableType") != views.TABLE_TYPE:
        raise failed_at(
            sql, None, "TABLE_NOT_FOUND", f"line 1:1: View '{full}' does not exist, but a table with that name exists"
        )
    catalog.drop(schema, name)


def _refuse(statement: exp.Expr, known: set[str], sql: str) -> None:
    extra = [key for key, part in statement.args.items() if part and key not in known]
    if extra:
        raise not_supported(sql, statement, f"{extra[0].upper()} in {statement.key.upper()} VIEW")


def _view_name(node: exp.Expr, sql: str, database: str | None, catalog: Catalog) -> tuple[str, str]:
    if not isinstance(node, exp.Table) or node.catalog.lower() not in {"", "awsdatacatalog"}:
        raise not_supported(sql, node, "a view outside the catalog awsdatacatalog")
    schema = node.db.lower() or database
    if not schema:
        raise failed_at(sql, node, "MISSING_SCHEMA_NAME", "Schema must be specified when session schema is not set")
    if not catalog.has_database(schema):
        raise failed_at(sql, node, "SCHEMA_NOT_FOUND", f"Schema '{schema}' does not exist")
    return schema, node.name.lower()

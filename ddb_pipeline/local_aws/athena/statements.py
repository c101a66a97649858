"""The statements that local AWS runs, each with what carries it out. All others are refused by name."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from sqlglot import exp, tokenize
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import TokenType

from ddb_pipeline.local_aws.athena import prepared, views
from ddb_pipeline.local_aws.athena.dialect import MAX_QUERY_BYTES, parse_statement
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, failed_at, not_supported
from ddb_pipeline.local_aws.athena.plans import Lines, Outcome, Plan, Session
from ddb_pipeline.local_aws.athena.query import QueryCompiler
from ddb_pipeline.local_aws.athena.relations import Table, View
from ddb_pipeline.local_aws.athena.table_names import name_of
from ddb_pipeline.local_aws.athena.writes import create_table_as, insert

StatementType = Literal["DML", "DDL", "UTILITY"]
_DDL_WORDS = ("CREATE", "DROP", "ALTER", "MSCK", "SHOW", "DESCRIBE", "DESC")
# Athena's other statements ("SQL reference for Athena"); CREATE and DROP of other things are told apart later
_OTHER_STATEMENTS = frozenset(
    [
        "ALTER",
        "ANALYZE",
        "DELETE",
        "DESC",
        "DESCRIBE",
        "EXPLAIN",
        "MERGE",
        "MSCK",
        "OPTIMIZE",
        "SHOW",
        "UNLOAD",
        "UPDATE",
        "VACUUM",
    ]
)


_PREPARING = {"PREPARE": prepared.prepare_statement, "DEALLOCATE": prepared.deallocate}
_WITH_PARAMETERS = {"SELECT", "WITH", "VALUES", "INSERT", "CREATE"}


def kinds(sql: str) -> tuple[StatementType, str | None]:
    """StatementType and SubstatementType of a text, from its first words."""
    words = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL).upper().split()
    if not words:
        return "DML", None
    if words[:2] == ["CREATE", "TABLE"] and re.search(r"\bAS\s*(\(\s*)*(SELECT|WITH|VALUES)\b", sql, re.IGNORECASE):
        return "DDL", "CREATE_TABLE_AS_SELECT"
    if words[0] == "INSERT":
        return "DML", "INSERT"
    if words[0] in _DDL_WORDS:
        is_view = "VIEW" in words[1:4]
        return "DDL", f"{words[0]}_VIEW" if is_view and words[0] in {"CREATE", "DROP"} else None
    if words[0] == "EXPLAIN":
        return "UTILITY", "EXPLAIN"
    return "DML", "SELECT" if words[0].lstrip("(") in {"SELECT", "WITH", "VALUES"} else None


def prepare(session: Session) -> Outcome:
    """Compile a query or a statement that writes; carry a statement about the catalog out.

    Raises:
        QueryFailedError: It is wrong, or not supported.
    """
    sql = session.sql
    if len(sql.encode()) > MAX_QUERY_BYTES:
        raise QueryFailedError("QUERY_TEXT_TOO_LARGE", f"the query is longer than {MAX_QUERY_BYTES} bytes")
    word = _first_word(sql)
    if word in _OTHER_STATEMENTS:
        raise not_supported(sql, None, f"the statement {word}")
    if word == "EXECUTE":
        text, parameters = prepared.execute(session)
        if _first_word(text) not in _WITH_PARAMETERS:
            raise QueryFailedError("NOT_SUPPORTED", "only queries, INSERT INTO and CREATE TABLE AS can be prepared")
        session = replace(session, sql=text, parameters=parameters)
    elif word in _PREPARING:
        _PREPARING[word](session)
        return Lines()
    statement = parse_statement(session.sql, session.parameters)
    try:
        return _outcome(statement, session)
    except RecursionError:
        raise QueryFailedError("SYNTAX_ERROR", "the query is nested too deeply") from None


def _first_word(sql: str) -> str:
    try:
        first = next((token for token in tokenize(sql, read="trino") if token.text != "("), None)
    except TokenError:
        return ""  # parse_statement says what cannot be read
    return first.text.upper().split()[0] if first else ""


def _outcome(statement: exp.Expr, session: Session) -> Outcome:
    def compile_query(node: exp.Expr) -> Plan:
        compiler = QueryCompiler(session.sql, session.database, session.started, session.catalog.find)
        return Plan(compiler.compile(node), tuple(compiler.scans))

    if isinstance(statement, exp.Query):
        return compile_query(statement)
    if isinstance(statement, exp.Insert):
        return insert(statement, session, compile_query)
    kind = str(statement.args.get("kind")).upper() if isinstance(statement, (exp.Create, exp.Drop)) else ""
    if isinstance(statement, exp.Create) and kind == "VIEW":
        return _create_view(statement, session)
    if isinstance(statement, exp.Create) and kind == "TABLE" and statement.expression:
        return create_table_as(statement, session, compile_query)
    if isinstance(statement, exp.Drop) and kind == "VIEW":
        return _drop_view(statement, session)
    name = statement.name if isinstance(statement, exp.Command) else statement.key
    raise not_supported(session.sql, None, f"the statement {str(name).upper()} {kind}".rstrip())


def _create_view(statement: exp.Create, session: Session) -> Lines:
    sql, catalog = session.sql, session.catalog
    _refuse(statement, {"this", "kind", "replace", "expression"}, sql)
    if not isinstance(statement.this, exp.Table):
        raise not_supported(sql, statement.this, "a list of columns in CREATE VIEW")
    if not isinstance(statement.expression, exp.Query):
        raise failed_at(sql, statement, "SYNTAX_ERROR", "CREATE VIEW needs AS and a query")
    schema, name = name_of(statement.this, session)
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
    database = session.database or schema
    compiler = QueryCompiler(text, database, session.started, find)
    relation = compiler.query(parse_statement(text), None, {})
    catalog.put_view(schema, name, views.entry(database, name, text, relation.fields), replaces=existing is not None)
    return Lines()


def query_text(sql: str) -> str:
    """The query of a CREATE VIEW, as it was written, without a last semicolon."""
    tokens = tokenize(sql, read="trino")
    start = next((token.end + 1 for token in tokens if token.token_type == TokenType.ALIAS), None)
    last = [token for token in tokens if token.token_type != TokenType.SEMICOLON][-1]
    return sql[start : last.end + 1].strip()


def _drop_view(statement: exp.Drop, session: Session) -> Lines:
    sql, catalog = session.sql, session.catalog
    _refuse(statement, {"this", "tables", "kind", "exists"}, sql)
    targets = statement.args.get("tables") or [statement.this]
    if len(targets) != 1:
        raise not_supported(sql, statement, "DROP VIEW of several views")
    schema, name = name_of(targets[0], session)
    existing, full = catalog.entry(schema, name), f"awsdatacatalog.{schema}.{name}"
    if existing is None:
        if statement.args.get("exists"):
            return Lines()
        raise failed_at(sql, None, "TABLE_NOT_FOUND", f"line 1:1: View '{full}' does not exist")
    if existing.get("TableType") != views.TABLE_TYPE:
        raise failed_at(
            sql, None, "TABLE_NOT_FOUND", f"line 1:1: View '{full}' does not exist, but a table with that name exists"
        )
    catalog.drop(schema, name)
    return Lines()


def _refuse(statement: exp.Expr, known: set[str], sql: str) -> None:
    extra = [key for key, part in statement.args.items() if part and key not in known]
    if extra:
        raise not_supported(sql, statement, f"{extra[0].upper()} in {statement.key.upper()} VIEW")

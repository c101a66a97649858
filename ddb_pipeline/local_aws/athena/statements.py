"""The statements that local AWS runs, each with what carries it out. All others are refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from sqlglot import exp, tokenize
from sqlglot.tokenizer_core import TokenType

from ddb_pipeline.local_aws.athena import prepared, views
from ddb_pipeline.local_aws.athena.definitions import (
    alter_table,
    create_database,
    create_table,
    drop_database,
    drop_table,
)
from ddb_pipeline.local_aws.athena.dialect import MAX_QUERY_BYTES, first_words, parse_statement, words
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, failed_at, not_supported
from ddb_pipeline.local_aws.athena.listings import describe, show
from ddb_pipeline.local_aws.athena.plans import Lines, Outcome, Plan, Session, Write
from ddb_pipeline.local_aws.athena.query import QueryCompiler, parsed_view
from ddb_pipeline.local_aws.athena.relations import Field, Listing, Table, View
from ddb_pipeline.local_aws.athena.repair import repair_table
from ddb_pipeline.local_aws.athena.system_tables import INFORMATION_SCHEMA
from ddb_pipeline.local_aws.athena.table_names import CATALOG, name_of
from ddb_pipeline.local_aws.athena.types import VARCHAR
from ddb_pipeline.local_aws.athena.unload import unload
from ddb_pipeline.local_aws.athena.writes import create_table_as, insert

StatementType = Literal["DML", "DDL", "UTILITY"]
# Athena's other statements ("SQL reference for Athena"); CREATE and DROP of other things are told apart later
_OTHER_STATEMENTS = frozenset(
    [
        "ANALYZE",
        "DELETE",
        "MERGE",
        "OPTIMIZE",
        "UPDATE",
        "VACUUM",
    ]
)


_ABOUT_CATALOG: dict[tuple[str, ...], Callable[[Session], Lines]] = {
    ("ALTER", "TABLE"): alter_table,
    ("CREATE", "DATABASE"): create_database,
    ("CREATE", "SCHEMA"): create_database,
    ("CREATE", "EXTERNAL"): create_table,
    ("DEALLOCATE",): prepared.deallocate,
    ("DESC",): describe,
    ("DESCRIBE",): describe,
    ("DROP", "DATABASE"): drop_database,
    ("DROP", "SCHEMA"): drop_database,
    ("DROP", "TABLE"): drop_table,
    ("MSCK",): repair_table,
    ("PREPARE",): prepared.prepare_statement,
    ("SHOW",): show,
}
_DML = {"SELECT": "SELECT", "WITH": "SELECT", "VALUES": "SELECT", "INSERT": "INSERT", "UNLOAD": "UNLOAD"}
_KINDS = ("DATABASE", "SCHEMA", "TABLE", "VIEW")
_BRACKETS = 8
"""So many words are looked at for the first that is no bracket."""
_WITH_PARAMETERS = {"SELECT", "WITH", "VALUES", "INSERT", "CREATE"}


def kinds(sql: str) -> tuple[StatementType, str | None]:
    """StatementType and SubstatementType of a text, from its first words."""
    found = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL).upper().replace("(", " ").split()
    first = found[0] if found else ""
    if found[:2] == ["CREATE", "TABLE"] and re.search(r"\bAS\s*(\(\s*)*(SELECT|WITH|VALUES)\b", sql, re.IGNORECASE):
        return "DDL", "CREATE_TABLE_AS_SELECT"
    if first in {"CREATE", "DROP", "ALTER", "MSCK"}:
        kind = next((word for word in found[1:5] if word in _KINDS), None)
        return "DDL", f"{first}_{kind}" if kind else None
    if first in {"SHOW", "DESCRIBE", "DESC", "EXPLAIN"}:
        return "UTILITY", {"SHOW": "_".join(found[:2]), "EXPLAIN": "EXPLAIN"}.get(first, "DESCRIBE_TABLE")
    return "DML", {
        "SELECT": "SELECT",
        "WITH": "SELECT",
        "VALUES": "SELECT",
        "INSERT": "INSERT",
        "UNLOAD": "UNLOAD",
    }.get(first)


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
    if word == "EXPLAIN":
        return _explain(session)
    if word == "UNLOAD":
        return unload(session, _compiled)
    about_catalog = _about_catalog(sql)
    if about_catalog is not None:
        return about_catalog(session)
    statement = parse_statement(session.sql, session.parameters)
    try:
        return _outcome(statement, session)
    except RecursionError:
        raise QueryFailedError("SYNTAX_ERROR", "the query is nested too deeply") from None


def _about_catalog(sql: str) -> Callable[[Session], Lines] | None:
    """What carries a statement out that sqlglot does not read."""
    found = tuple(first_words(sql, 2))
    return next((run for start, run in _ABOUT_CATALOG.items() if found[: len(start)] == start), None)


def _first_word(sql: str) -> str:
    try:
        return next((word for word in first_words(sql, _BRACKETS) if word != "("), "")
    except QueryFailedError:
        return ""  # parse_statement says what cannot be read


def _explain(session: Session) -> Lines:
    """EXPLAIN: the result's columns and the tables that are read. Trino's own plan is not imitated."""
    tokens = words(session.sql)[1:]
    option = next((token.text.upper() for token in tokens if token.text != "("), "")
    if option in {"ANALYZE", "FORMAT", "TYPE", "VERBOSE"}:
        raise not_supported(session.sql, None, f"EXPLAIN with {option}")
    text = session.sql[tokens[0].start :] if tokens else ""
    statement = parse_statement(text, session.parameters)
    if not isinstance(statement, (exp.Query, exp.Insert)):
        raise not_supported(session.sql, None, f"EXPLAIN of {statement.key.upper()}")
    outcome = _outcome(statement, replace(session, sql=text))
    plan = outcome.plan if isinstance(outcome, Write) else outcome
    if not isinstance(plan, Plan):
        raise not_supported(session.sql, None, "EXPLAIN of this statement")
    shown = ", ".join(f"{field.name or '_col'}:{field.type}" for field in plan.relation.fields)
    scans = [f"    TableScan[table = {CATALOG}:{scan.table.database}:{scan.table.name}]" for scan in plan.scans]
    return Lines((Field("Query Plan", VARCHAR),), (f"Output[{shown}]", *scans))


def _compiled(node: exp.Expr, session: Session) -> Plan:
    compiler = QueryCompiler(session.sql, session.database, session.started, session.catalog.find)
    return Plan(compiler.compile(node), tuple(compiler.scans))


def _outcome(statement: exp.Expr, session: Session) -> Outcome:
    def compile_query(node: exp.Expr) -> Plan:
        return _compiled(node, session)

    if isinstance(statement, (exp.Query, exp.Values)):
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

    def find(own_schema: str, own_name: str) -> Table | View | Listing | None:
        if own_schema == INFORMATION_SCHEMA:
            raise QueryFailedError("NOT_SUPPORTED", f"CREATE VIEW cannot make a view on {INFORMATION_SCHEMA}")
        if (own_schema, own_name) == (schema, name) and existing is not None:
            raise QueryFailedError("VIEW_IS_RECURSIVE", "Statement would create a recursive view")
        return catalog.find(own_schema, own_name)

    # the query's own places count from its own text, as they will when the view is used
    text = query_text(sql)
    # names without a database are those of the session, which the view keeps
    database = session.database or schema
    compiler = QueryCompiler(text, database, session.started, find)
    relation = compiler.query(parsed_view(text), None, {})
    entry = views.entry(database, name, text, relation.fields)
    catalog.put_view(schema, name, entry, or_replace=bool(statement.args.get("replace")))
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

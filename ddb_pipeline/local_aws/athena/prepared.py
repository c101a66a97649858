"""PREPARE, EXECUTE and DEALLOCATE PREPARE.

Source: Athena user guide, "Use parameterized queries", and its pages on the three statements.
"""

from __future__ import annotations

import re
import time

from sqlglot import Token, TokenType

from ddb_pipeline.local_aws.athena.dialect import words
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.plans import Lines, PreparedStatement, Session

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_@:]{1,255}")
"""Form of a statement's name (API shape `StatementName`)."""


def prepare_statement(session: Session) -> Lines:
    """PREPARE name FROM statement: keep the statement's text; one of that name is replaced."""
    tokens = words(session.sql)
    name, rest = _name(tokens), tokens[2:]
    if not rest[1:] or rest[0].token_type != TokenType.FROM:
        raise QueryFailedError("SYNTAX_ERROR", "expected PREPARE name FROM statement")
    session.prepared[name] = PreparedStatement(session.sql[rest[1].start : rest[-1].end + 1], time.time())
    return Lines()


def execute(session: Session) -> tuple[str, list[str]]:
    """EXECUTE name [USING value, ...]: find the statement's text and its parameters."""
    tokens = words(session.sql)
    name, using = _name(tokens), tokens[2:]
    found = session.prepared.get(name)
    if found is None:
        raise QueryFailedError("NOT_FOUND", f"Prepared statement not found: {name}")
    if not using:
        return found.sql, list(session.parameters)
    if using[0].token_type != TokenType.USING or session.parameters:
        raise QueryFailedError("SYNTAX_ERROR", "expected EXECUTE name [USING value, ...]")
    parts: list[list[Token]] = [[]]
    for token in using[1:]:
        if token.token_type == TokenType.COMMA:
            parts.append([])
        else:
            parts[-1].append(token)
    if not all(parts):
        raise QueryFailedError("SYNTAX_ERROR", "a value is missing after USING")
    return found.sql, [session.sql[part[0].start : part[-1].end + 1] for part in parts]


def deallocate(session: Session) -> Lines:
    """DEALLOCATE PREPARE name: forget the statement."""
    tokens = words(session.sql)
    if [token.text.upper() for token in tokens[1:2]] != ["PREPARE"] or tokens[3:]:
        raise QueryFailedError("SYNTAX_ERROR", "expected DEALLOCATE PREPARE name")
    name = _name(tokens[1:])
    if session.prepared.pop(name, None) is None:
        raise QueryFailedError("NOT_FOUND", f"Prepared statement not found: {name}")
    return Lines()


def _name(tokens: list[Token]) -> str:
    name = tokens[1].text if len(tokens) > 1 else ""
    if not NAME.fullmatch(name):
        raise QueryFailedError("SYNTAX_ERROR", f"'{name}' is no name of a prepared statement")
    return name

"""Athena's SQL as a syntax tree in which nothing has been rewritten yet.

sqlglot's own Trino dialect turns functions into its common forms and shifts array indices, to write them in
another dialect later. Here every function keeps its name and arguments, because each is looked up in the list.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

from sqlglot import Token, TokenType, exp, parse, tokenize
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.trino import TrinoParser

from ddb_pipeline.local_aws.athena.errors import QueryFailedError

MAX_QUERY_BYTES = 262_144
"""Longest query text (Athena quotas, "Query string length")."""

_KEPT = ("CAST", "TRY_CAST", "EXTRACT", "POSITION", "TRIM")


class TypedLiteral(exp.Expression):
    """`DATE '...'` or `TIMESTAMP '...'`: unlike a CAST, a literal's precision is that of its text."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "kind": True}


def _typed_literal(parser: Any, this: exp.Expr, to: exp.DataType) -> exp.Expr:
    del parser
    return TypedLiteral(this=this, kind=to.this.name)


class _Parser(TrinoParser):
    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: parser for name, parser in TrinoParser.FUNCTION_PARSERS.items() if name in _KEPT
    }
    TYPE_LITERAL_PARSERS: ClassVar[dict[Any, Any]] = dict.fromkeys(exp.DType, _typed_literal)


class _AthenaQueries(Trino):
    INDEX_OFFSET = 0
    Parser = _Parser


def parse_statement(sql: str) -> exp.Expr:
    """Parse one statement; a semicolon may end it.

    Args:
        sql: The text of the query.

    Raises:
        QueryFailedError: SYNTAX_ERROR with line and column, more than one statement, or a number that is misread.
    """
    if "\0" in sql:
        raise QueryFailedError("SYNTAX_ERROR", "the query contains a NUL character")
    try:
        _refuse_misread_numbers(tokenize(sql, read=_AthenaQueries))
        statements = [statement for statement in parse(sql, dialect=_AthenaQueries) if statement is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        place = f"line {first['line']}:{first['col']}: " if first.get("line") else ""
        found = f"mismatched input '{first['highlight']}'. " if first.get("highlight") else ""
        raise QueryFailedError(
            "SYNTAX_ERROR", f"{place}{found}{first.get('description') or 'cannot be parsed'}"
        ) from None
    except TokenError as error:
        raise QueryFailedError("SYNTAX_ERROR", f"cannot be read: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise QueryFailedError("SYNTAX_ERROR", "the query is nested too deeply") from None
    if len(statements) != 1:
        raise QueryFailedError("SYNTAX_ERROR", f"Only one sql statement is allowed. Got: {len(statements)}")
    return statements[0]


def _refuse_misread_numbers(tokens: list[Token]) -> None:
    """Refuse `1_000`, which sqlglot reads as `1 AS _000`, and `0x1F`, which it reads as bytes.

    Trino takes both as whole numbers, or refuses them, according to its release.
    """
    for token, following in pairwise(tokens):
        joined = following.start == token.end + 1 and (following.text[:1].isalnum() or following.text[:1] == "_")
        if token.token_type == TokenType.NUMBER and joined:
            written = f"{token.text}{following.text}"
            raise QueryFailedError("SYNTAX_ERROR", f"line {token.line}:{token.col}: the number {written} is not known")
    for token in tokens:
        is_bytes = token.end - token.start + 1 == len(token.text) + len("X''")
        if token.token_type in (TokenType.HEX_STRING, TokenType.BIT_STRING) and not is_bytes:
            raise QueryFailedError(
                "SYNTAX_ERROR", f"line {token.line}:{token.col}: only decimal numbers are known, not 0x{token.text}"
            )

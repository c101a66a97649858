"""Athena's SQL as a syntax tree in which nothing has been rewritten yet.

sqlglot's own Trino dialect turns functions into its common forms and shifts array indices, to write them in
another dialect later. Here every function keeps its name and arguments, because each is looked up in the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

from sqlglot import Token, TokenType, exp, tokenize
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.trino import TrinoParser

from ddb_pipeline.local_aws.athena.errors import QueryFailedError

MAX_QUERY_BYTES = 262_144
"""Longest query text (Athena quotas, "Query string length")."""

_NOT_OF_TRINO = (TokenType.DCOLON, TokenType.NOTNULL)
_KEPT = ("CAST", "TRY_CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM")


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


_BEGINNING = 200
"""How many characters of a statement are read to see what it is."""


class _Words(Trino):
    class Tokenizer(Trino.Tokenizer):
        # sqlglot would take what follows as one text
        COMMANDS: ClassVar[set[TokenType]] = set()
        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            word: kind for word, kind in Trino.Tokenizer.KEYWORDS.items() if " " not in word
        }
        IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ['"', "`"]


def words(sql: str) -> list[Token]:
    """Tokens of a statement about the catalog, without a last semicolon; names may stand in backticks.

    Raises:
        QueryFailedError: It cannot be read.
    """
    try:
        tokens = tokenize(sql, read=_Words)
    except TokenError as error:
        raise QueryFailedError("SYNTAX_ERROR", f"cannot be read: {str(error).splitlines()[0]}") from None
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    return tokens


def first_words(sql: str, count: int) -> list[str]:
    """Texts of the first tokens of a statement, in capitals.

    A view's statement has thousands of tokens, and what it is stands at its beginning.

    Args:
        sql: The statement.
        count: How many.

    Raises:
        QueryFailedError: It cannot be read.
    """
    if len(sql) > _BEGINNING:
        try:
            # the last one may be cut in two
            found = tokenize(sql[:_BEGINNING], read=_Words)[:-1]
        except TokenError:
            found = []
        if len(found) >= count:
            return [token.text.upper() for token in found[:count]]
    return [token.text.upper() for token in words(sql)[:count]]


def parse_statement(sql: str, parameters: Sequence[str] = ()) -> exp.Expr:
    """Parse one statement; a semicolon may end it.

    Args:
        sql: The text of the query.
        parameters: A literal for each `?`, as SQL: `'text'`, `12`, `DATE '2026-01-31'`.

    Raises:
        QueryFailedError: SYNTAX_ERROR with line and column, more than one statement, a number that is misread, or
            parameters that do not fit.
    """
    if "\0" in sql:
        raise QueryFailedError("SYNTAX_ERROR", "the query contains a NUL character")
    try:
        tokens = tokenize(sql, read=_AthenaQueries)
        _refuse_misread_numbers(tokens)
        _refuse_other_dialects(sql, tokens)
        _mark(tokens, len(parameters))
        parsed = _AthenaQueries().parser().parse(tokens, sql)
        statements = [statement for statement in parsed if statement is not None]
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
    statement: exp.Expr = statements[0]
    return _bound(statement, [_parameter(value) for value in parameters]) if parameters else statement


def _mark(tokens: list[Token], count: int) -> None:
    """Put a name that no query can hold in place of each `?`: tokens are in the order of the text, trees are not."""
    places = [place for place, token in enumerate(tokens) if token.token_type == TokenType.PLACEHOLDER]
    if len(places) != count:
        message = f"line 1:1: Incorrect number of parameters: expected {len(places)} but found {count}"
        raise QueryFailedError("INVALID_PARAMETER_USAGE", message)
    for number, place in enumerate(places):
        own = tokens[place]
        tokens[place] = Token(TokenType.VAR, f"\0{number}", own.line, own.col, own.start, own.end, [])


def _bound(statement: exp.Expr, values: list[exp.Expr]) -> exp.Expr:
    """Put the values into the places of the parameters.

    Source: Athena user guide, "Use parameterized queries": they may stand in WHERE only.
    """
    for column in list(statement.find_all(exp.Column)):
        if column.name.startswith("\0") and len(column.parts) == 1 and column.find_ancestor(exp.Where):
            column.replace(values[int(column.name[1:])].copy())
    if any(identifier.name.startswith("\0") for identifier in statement.find_all(exp.Identifier)):
        raise QueryFailedError("SYNTAX_ERROR", "a ? can stand for a value in a WHERE clause only")
    return statement


def _parameter(text: str) -> exp.Expr:
    statement = parse_statement(f"SELECT {text}")
    alone = [key for key, part in statement.args.items() if part] == ["expressions"]
    value: exp.Expr = statement.expressions[0] if alone and len(statement.expressions) == 1 else statement
    if not _is_constant(value):
        message = f"the parameter {text} is not a literal (text stands in single quotes); local AWS takes literals only"
        raise QueryFailedError("NOT_SUPPORTED", message)
    for part in value.walk():
        # its places would be taken for places in the query
        part.meta.clear()
    return value


def _is_constant(node: exp.Expr) -> bool:
    if isinstance(node, (exp.Neg, exp.Paren)):
        return _is_constant(node.this)
    return isinstance(node, (exp.Literal, exp.HexString, exp.Null, exp.Boolean, exp.Interval, TypedLiteral))


def _refuse_other_dialects(sql: str, tokens: list[Token]) -> None:
    """Refuse what sqlglot reads and Trino does not: `x::int`, `==`, `x NOTNULL`, and LIMIT before OFFSET."""
    wrong = [
        token
        for token in tokens
        if token.token_type in _NOT_OF_TRINO or (token.token_type, token.text) == (TokenType.EQ, "==")
    ]
    for first, _, third in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (first.token_type, third.token_type) == (TokenType.LIMIT, TokenType.OFFSET):
            wrong.append(third)
    if wrong:
        first_wrong = min(wrong, key=lambda token: token.start)
        before = sql[: first_wrong.start]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise QueryFailedError("SYNTAX_ERROR", f"line {line}:{column}: mismatched input '{first_wrong.text}'")


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

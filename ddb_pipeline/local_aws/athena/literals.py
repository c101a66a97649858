"""Literals, and types as CAST names them."""

from __future__ import annotations

import re
from datetime import date, datetime

from sqlglot import exp

from ddb_pipeline.local_aws.athena.arguments import UnsupportedArgumentError
from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.dialect import TypedLiteral
from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported
from ddb_pipeline.local_aws.athena.moments import in_zone_named
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTEGER,
    JSON,
    MAX_DECIMAL_DIGITS,
    MAX_TIMESTAMP_DIGITS,
    TIMESTAMP,
    VARBINARY,
    ZONED,
    Type,
    array,
    decimal,
    duckdb_type,
    row,
)

_PLAIN = {
    exp.DType.BOOLEAN: "boolean",
    exp.DType.TINYINT: "tinyint",
    exp.DType.SMALLINT: "smallint",
    exp.DType.INT: "integer",
    exp.DType.BIGINT: "bigint",
    exp.DType.DOUBLE: "double",
    exp.DType.VARBINARY: "varbinary",
    exp.DType.DATE: "date",
    exp.DType.JSON: "json",
}
_BIGINT_LIMIT = 2**63
_INTEGER_LIMIT = 2**31


def literal_value(sql: str, node: exp.Expr) -> Value:
    """Compile a number, text or bytes literal to Trino's type of it."""
    if isinstance(node, exp.HexString):
        digits = str(node.this)
        if len(digits) % 2 or not re.fullmatch(r"[0-9A-Fa-f]*", digits):
            raise failed_at(
                sql, node, "SYNTAX_ERROR", "Binary literal must contain an even number of hexadecimal digits"
            )
        return Value(f"unhex('{digits}')", VARBINARY)
    written = node.name
    if node.is_string:
        # DuckDB gives a bare literal the type that suits its neighbours
        return Value(f"CAST({text(written)} AS VARCHAR)", Type("varchar", (len(written),)), written)
    if written.isdecimal() and written.isascii():
        number = int(written)
        if number >= _BIGINT_LIMIT:
            raise failed_at(sql, node, "SYNTAX_ERROR", f"Invalid numeric literal: {written}")
        type_ = INTEGER if number < _INTEGER_LIMIT else BIGINT
        return Value(f"CAST({number} AS {duckdb_type(type_)})", type_, number)
    if re.fullmatch(r"[0-9]*\.[0-9]*", written) and written != ".":
        whole, _, fraction = written.partition(".")
        whole = whole.lstrip("0")
        precision = max(1, len(whole) + len(fraction))
        if precision > MAX_DECIMAL_DIGITS:
            raise failed_at(sql, node, "SYNTAX_ERROR", f"Invalid decimal literal: {written}")
        type_ = decimal(precision, len(fraction))
        return Value(f"CAST('{whole or '0'}.{fraction or '0'}' AS {duckdb_type(type_)})", type_)
    if re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+", written):
        return Value(f"CAST('{written}' AS DOUBLE)", DOUBLE)
    raise not_supported(sql, node, f"the literal {written}")


def typed_literal(sql: str, node: exp.Expr) -> Value:
    """Compile `DATE '2026-01-31'`, `JSON '[1]'` or a TIMESTAMP, whose digits are its precision."""
    kind, written = str(node.args["kind"]), node.this.name
    if kind == "JSON":
        return Value(f"athena_json_parse({text(written)})", JSON)
    if kind == "DECIMAL" and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", written, re.ASCII):
        unsigned = literal_value(sql, exp.Literal.number(f"{written.lstrip('+-')}{'' if '.' in written else '.'}"))
        return Value(f"(- {unsigned.sql})" if written.startswith("-") else unsigned.sql, unsigned.type)
    if kind == "DATE" and re.fullmatch(r"\d{4}-\d{2}-\d{2}", written, re.ASCII):
        try:
            return Value(f"DATE '{date.fromisoformat(written)}'", DATE, written)
        except ValueError:
            raise failed_at(sql, node.this, "INVALID_LITERAL", f"'{written}' is not a valid DATE literal") from None
    moment, _, zone = written.rpartition(" ")
    if kind in {"TIMESTAMP", "TIMESTAMPTZ"} and re.fullmatch(r"[A-Z+-].*", zone):
        try:
            return in_zone_named(
                typed_literal(sql, TypedLiteral(this=exp.Literal.string(moment), kind="TIMESTAMP")), zone
            )
        except UnsupportedArgumentError as error:
            raise failed_at(sql, node.this, "INVALID_LITERAL", str(error)) from None
    form = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(?: (\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,12}))?)?", written, re.ASCII)
    if kind != "TIMESTAMP" or form is None or len(form[3] or "") > MAX_TIMESTAMP_DIGITS:
        raise not_supported(sql, node.this, f"the literal {kind} '{written}'")
    try:
        datetime.fromisoformat(f"{form[1]} {form[2] or '00:00'}")
    except ValueError:
        raise failed_at(sql, node.this, "INVALID_LITERAL", f"'{written}' is not a valid TIMESTAMP literal") from None
    return Value(f"TIMESTAMP '{written}'", Type("timestamp", (len(form[3] or ""),)), written)


def read_type(sql: str, node: exp.Expr) -> Type:  # noqa: C901, PLR0911
    """Read the type of a CAST.

    Raises:
        QueryFailedError: Trino or local AWS has no such type.
    """
    if not isinstance(node, exp.DataType):
        raise not_supported(sql, node, f"the type {node.sql()}")
    kind = node.this
    numbers = [int(p.name) for p in node.expressions if isinstance(p, exp.DataTypeParam) and p.name.isdecimal()]
    if kind in _PLAIN and not node.expressions:
        return Type(_PLAIN[kind])
    if kind == exp.DType.VARCHAR:
        return Type("varchar", tuple(numbers))
    if kind == exp.DType.DECIMAL:
        precision, scale = (*numbers, 0)[:2] if numbers else (MAX_DECIMAL_DIGITS, 0)
        if not 1 <= precision <= MAX_DECIMAL_DIGITS or scale > precision:
            raise failed_at(sql, node, "TYPE_NOT_FOUND", f"Invalid type: decimal({precision},{scale})")
        return decimal(precision, scale)
    if kind in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        base = TIMESTAMP if kind == exp.DType.TIMESTAMP else ZONED
        if numbers and numbers[0] > MAX_TIMESTAMP_DIGITS:
            raise not_supported(sql, node, f"{base.name}({numbers[0]})")
        return Type(base.name, (numbers[0] if numbers else TIMESTAMP.numbers[0],))
    if kind == exp.DType.ARRAY and len(node.expressions) == 1:
        return array(read_type(sql, node.expressions[0]))
    if kind == exp.DType.MAP:
        return Type("map", parts=tuple(read_type(sql, part) for part in node.expressions))
    if kind == exp.DType.STRUCT:
        named = [isinstance(part, exp.ColumnDef) for part in node.expressions]
        names = tuple(part.name.lower() if own else None for part, own in zip(node.expressions, named, strict=True))
        kinds = [part.args["kind"] if own else part for part, own in zip(node.expressions, named, strict=True)]
        return row(names, tuple(read_type(sql, part) for part in kinds))
    raise not_supported(sql, node, f"the type {node.sql(dialect='trino').lower()}")

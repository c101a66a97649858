"""Names, literals and fields of rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from ddb_pipeline.local_aws.athena.compiler import Expressions, ResolvedColumn, compiles
from ddb_pipeline.local_aws.athena.dialect import TypedLiteral
from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported
from ddb_pipeline.local_aws.athena.literals import literal_value, typed_literal
from ddb_pipeline.local_aws.athena.scope import find
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import BOOLEAN, DAYS, MONTHS, UNKNOWN

_INTERVALS = {
    "SECOND": ("to_seconds", DAYS),
    "MINUTE": ("to_minutes", DAYS),
    "HOUR": ("to_hours", DAYS),
    "DAY": ("to_days", DAYS),
    "MONTH": ("to_months", MONTHS),
    "YEAR": ("to_years", MONTHS),
}


@compiles(exp.Column)
def _column(c: Expressions, node: exp.Column) -> Value:
    c.only(node, "this", "table", "db", "catalog")
    parts = [part for part in (node.args.get(key) for key in ("catalog", "db", "table", "this")) if part]
    if isinstance(node.this, exp.Star):
        raise not_supported(c.env.sql, node, "* here")
    names = [part.name.lower() for part in parts]
    if names[-1].startswith("$") and names[-1] != "$path":
        raise not_supported(c.env.sql, node, f'the hidden column "{names[-1]}"')
    if names[0] in c.env.scope.lambdas:
        return _fields(c, c.env.scope.lambdas[names[0]], names[1:], node)
    found = find(c.env.scope, names)
    if found is None:
        message = (
            f"Column '{'.'.join(names)}' cannot be resolved "
            "or requester is not authorized to access requested resources"
        )
        raise failed_at(c.env.sql, node, "COLUMN_NOT_FOUND", message)
    if len(found.candidates) > 1:
        raise failed_at(c.env.sql, node, "AMBIGUOUS_NAME", f"Column '{'.'.join(names)}' is ambiguous")
    column = found.candidates[0]
    if not found.outer and not c.inside_aggregate:
        grouped = c.env.grouped
        if grouped is not None and column.sql not in grouped:
            c.loose.append(node)
    return _fields(c, Value(column.sql, column.type), found.fields, node)


def _fields(c: Expressions, value: Value, names: Sequence[str], node: exp.Expr) -> Value:
    for name in names:
        places = [i for i, own in enumerate(value.type.names, 1) if own == name] if value.type.name == "row" else []
        if len(places) != 1:
            message = f"Column '{name}' cannot be resolved: {value.type} has no such field"
            raise failed_at(c.env.sql, node, "COLUMN_NOT_FOUND", message)
        value = Value(f"struct_extract({value.sql}, 'f{places[0]}')", value.type.parts[places[0] - 1])
    return value


@compiles(ResolvedColumn)
def _resolved(c: Expressions, node: ResolvedColumn) -> Value:
    value = Value(node.args["sql"], node.args["type_"])
    if c.env.grouped is not None and value.sql not in c.env.grouped:
        c.loose.append(node)
    return value


@compiles(exp.Identifier)
def _identifier(c: Expressions, node: exp.Identifier) -> Value:
    return _column(c, exp.Column(this=node))


@compiles(exp.Dot)
def _dot(c: Expressions, node: exp.Dot) -> Value:
    c.only(node, "this", "expression")
    if not isinstance(node.expression, exp.Identifier):
        raise not_supported(c.env.sql, node, "a qualified function name")
    return _fields(c, c.compile(node.this), [node.expression.name.lower()], node)


@compiles(exp.Literal, exp.HexString)
def _literal(c: Expressions, node: exp.Expr) -> Value:
    return literal_value(c.env.sql, node)


@compiles(TypedLiteral)
def _typed(c: Expressions, node: exp.Expr) -> Value:
    return typed_literal(c.env.sql, node)


@compiles(exp.Null)
def _null(c: Expressions, node: exp.Expr) -> Value:
    del c, node
    return Value("NULL", UNKNOWN)


@compiles(exp.Boolean)
def _boolean(c: Expressions, node: exp.Boolean) -> Value:
    del c
    return Value("true" if node.this else "false", BOOLEAN, bool(node.this))


@compiles(exp.Interval)
def _interval(c: Expressions, node: exp.Interval) -> Value:
    c.only(node, "this", "unit")
    unit = node.args["unit"].name.upper() if isinstance(node.args.get("unit"), exp.Var) else ""
    text = node.name
    if unit not in _INTERVALS or not text.removeprefix("-").isdecimal() or not text.isascii():
        raise not_supported(c.env.sql, node, "this INTERVAL")
    function, type_ = _INTERVALS[unit]
    return Value(f"{function}({int(text)})", type_, "time" if unit in {"SECOND", "MINUTE", "HOUR"} else "days")


@compiles(exp.Paren)
def _paren(c: Expressions, node: exp.Paren) -> Value:
    c.only(node, "this")
    inner = c.compile(node.this)
    return Value(inner.sql, inner.type, inner.literal)

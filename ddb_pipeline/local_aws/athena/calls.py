"""Calls of scalar functions, and functions with a syntax of their own."""

from __future__ import annotations

from sqlglot import exp

from ddb_pipeline.local_aws.athena import aggregates, functions, moments, special_forms
from ddb_pipeline.local_aws.athena.arguments import UnsupportedArgumentError
from ddb_pipeline.local_aws.athena.compiler import Expressions, compiles, function_name
from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported
from ddb_pipeline.local_aws.athena.grouping import grouping
from ddb_pipeline.local_aws.athena.lambdas import LAMBDA_FUNCTIONS, lambda_function
from ddb_pipeline.local_aws.athena.sequences import sequence
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import ZONED, Type

_SCALAR_NAMES = functions.known(functions.SCALARS)
_FORMS = special_forms.FORMS | moments.MOMENTS | {"sequence": (2, 3, sequence)}
_WINDOW_NAMES = functions.known(functions.WINDOWS)
_AGGREGATE_NAMES = functions.known(functions.AGGREGATES)
_EXTRACTED = {
    "YEAR": "year", "QUARTER": "quarter", "MONTH": "month", "WEEK": "week", "DAY": "day", "DAY_OF_MONTH": "day",
    "DAY_OF_WEEK": "day_of_week", "DOW": "day_of_week", "DAY_OF_YEAR": "day_of_year", "DOY": "day_of_year",
    "HOUR": "hour", "MINUTE": "minute", "SECOND": "second",
}  # fmt: skip


@compiles(exp.Anonymous)
def _function(c: Expressions, node: exp.Anonymous) -> Value:
    c.only(node, "this", "expressions")
    name = function_name(node)
    if name in _AGGREGATE_NAMES:
        return aggregates.aggregate(c, node, "")
    if name in _WINDOW_NAMES:
        raise failed_at(c.env.sql, node, "MISSING_OVER", f"Window function {name} requires an OVER clause")
    if name == "grouping":
        return grouping(c, node)
    if name == "now" and not node.expressions:
        return special_forms.now(c.env.started)
    if name in LAMBDA_FUNCTIONS:
        return lambda_function(c, name, node)
    if any(isinstance(argument, (exp.Distinct, exp.Order, exp.Lambda, exp.Star)) for argument in node.expressions):
        raise not_supported(c.env.sql, node, f"such an argument of function {name}")
    arguments = c.every(node.expressions)
    if name in _FORMS:
        return _form(c, name, node, arguments)
    if name in moments.FIELDS:
        arguments = _wall_times(c, node, arguments)
    if name not in _SCALAR_NAMES:
        raise failed_at(
            c.env.sql, node, "FUNCTION_NOT_FOUND", f"Function '{name}' is not supported by local AWS, or not registered"
        )
    return c.called(name, functions.overloads(functions.SCALARS, name), arguments, node)


def _wall_times(c: Expressions, node: exp.Expr, arguments: list[Value]) -> list[Value]:
    try:
        return [moments.wall_time(argument) for argument in arguments]
    except UnsupportedArgumentError as error:
        raise failed_at(c.env.sql, node, "NOT_SUPPORTED", str(error)) from None


def _form(c: Expressions, name: str, node: exp.Expr, arguments: list[Value]) -> Value:
    least, most, form = _FORMS[name]
    try:
        found = form(*arguments) if least <= len(arguments) <= most else None
    except UnsupportedArgumentError as error:
        kind = "NOT_SUPPORTED" if "local AWS" in str(error) else "INVALID_FUNCTION_ARGUMENT"
        raise failed_at(c.env.sql, node, kind, str(error)) from None
    if found is None:
        raise c.unexpected(name, node, arguments)
    return found


@compiles(exp.Extract)
def _extract(c: Expressions, node: exp.Extract) -> Value:
    c.only(node, "this", "expression")
    name = _EXTRACTED.get(node.name.upper())
    if name is None:
        raise not_supported(c.env.sql, node, f"EXTRACT of {node.name.upper()}")
    arguments = _wall_times(c, node, [c.compile(node.expression)])
    return c.called(name, functions.overloads(functions.SCALARS, name), arguments, node)


@compiles(exp.StrPosition)
def _position(c: Expressions, node: exp.StrPosition) -> Value:
    c.only(node, "this", "substr")
    arguments = [c.compile(node.this), c.compile(node.args["substr"])]
    return c.called("strpos", functions.overloads(functions.SCALARS, "strpos"), arguments, node)


@compiles(exp.Trim)
def _trim(c: Expressions, node: exp.Trim) -> Value:
    c.only(node, "this", "position", "expression")
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    arguments = c.every([part for part in (node.this, node.args.get("expression")) if part])
    return c.called(name, functions.overloads(functions.SCALARS, name), arguments, node)


@compiles(exp.Substring)
def _substring(c: Expressions, node: exp.Substring) -> Value:
    c.only(node, "this", "start", "length")
    arguments = c.every([part for part in (node.this, node.args.get("start"), node.args.get("length")) if part])
    return c.called("substring", functions.overloads(functions.SCALARS, "substring"), arguments, node)


@compiles(exp.AtTimeZone)
def _at_time_zone(c: Expressions, node: exp.AtTimeZone) -> Value:
    c.only(node, "this", "zone")
    zone = c.compile(node.args["zone"])
    inner = c.compile(node.this)
    if inner.type.name not in {"timestamp", ZONED.name}:
        raise c.mismatch(node, f"Type of value must be a timestamp with time zone (actual {inner.type})")
    return _form(c, "at_timezone", node, [inner, zone])


@compiles(exp.CurrentDate, exp.CurrentTimestamp, exp.Localtimestamp)
def _now(c: Expressions, node: exp.Expr) -> Value:
    c.only(node)
    moment = special_forms.now(c.env.started)
    if isinstance(node, exp.CurrentDate):
        return Value(f"DATE '{c.env.started:%Y-%m-%d}'", Type("date"))
    return moment if isinstance(node, exp.CurrentTimestamp) else special_forms.local_now(c.env.started)

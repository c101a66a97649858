"""Functions that take a lambda: https://trino.io/docs/current/functions/lambda.html, .../array.html, .../map.html."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from ddb_pipeline.local_aws.athena.casts import coerce
from ddb_pipeline.local_aws.athena.compiler import Expressions
from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import BOOLEAN, UNKNOWN, array, map_of


def lambda_function(c: Expressions, name: str, node: exp.Anonymous) -> Value:
    """Compile the call of a function that takes a lambda."""
    kinds, form = LAMBDA_FUNCTIONS[name]
    if "".join("l" if isinstance(argument, exp.Lambda) else "v" for argument in node.expressions) != kinds:
        shown = ", ".join({"v": "a value", "l": "a lambda"}[kind] for kind in kinds)
        raise failed_at(c.env.sql, node, "FUNCTION_NOT_FOUND", f"{name} takes {shown} in local AWS")
    return form(c, name, node)


def _body(c: Expressions, arrow: exp.Expr, parameters: Sequence[Value]) -> Value:
    """Compile a lambda's expression with its parameters bound to these values."""
    c.only(arrow, "this", "expressions")
    if len(arrow.expressions) != len(parameters):
        raise failed_at(
            c.env.sql, arrow, "INVALID_PARAMETER_USAGE", f"the lambda must take {len(parameters)} arguments"
        )
    before = dict(c.env.scope.lambdas)
    c.env.scope.lambdas.update(
        {own.name.lower(): value for own, value in zip(arrow.expressions, parameters, strict=True)}
    )
    c.lambda_depth += 1
    try:
        return c.compile(arrow.this)
    finally:
        c.lambda_depth -= 1
        c.env.scope.lambdas.clear()
        c.env.scope.lambdas.update(before)


def _variable(c: Expressions, letter: str = "x") -> str:
    """A name that no lambda around has; the same for the same expression, so that GROUP BY finds it again."""
    return f"{letter}{c.lambda_depth + 1}"


def _subject(c: Expressions, name: str, node: exp.Anonymous, kind: str, place: int = 0) -> Value:
    value = c.compile(node.expressions[place])
    if value.type.name != kind:
        raise c.unexpected(name, node, [value])
    return value


def _of_array(c: Expressions, name: str, node: exp.Anonymous) -> Value:
    """transform, filter, any_match, all_match, none_match."""
    subject, x = _subject(c, name, node, "array"), _variable(c)
    body = _body(c, node.expressions[1], [Value(x, subject.type.parts[0])])
    if name == "transform":
        return Value(f"list_transform({subject.sql}, lambda {x}: {body.sql})", array(body.type))
    test = c.as_type(body, BOOLEAN, node, "Result of the lambda")
    if name == "filter":
        return Value(f"list_filter({subject.sql}, lambda {x}: {test})", subject.type)
    return _matches(name, subject, f"list_transform({subject.sql}, lambda {x}: {test})")


def _matches(name: str, subject: Value, tests: str) -> Value:
    """SQL's three values: one certain element decides, else a NULL among them makes it NULL."""
    certain, empty = ("false", "true") if name == "all_match" else ("true", "false")
    answer = (
        f"CASE WHEN {subject.sql} IS NULL THEN NULL WHEN list_contains({tests}, {certain}) THEN {certain} "
        f"WHEN athena_has_null({tests}) THEN NULL ELSE {empty} END"
    )
    return Value(f"(NOT {answer})" if name == "none_match" else answer, BOOLEAN)


def _reduce(c: Expressions, name: str, node: exp.Anonymous) -> Value:
    subject, start = _subject(c, name, node, "array"), c.compile(node.expressions[1])
    if start.type == UNKNOWN:
        raise not_supported(c.env.sql, node, "reduce from NULL without a type")
    s, x, r = (_variable(c, letter) for letter in "sxr")
    step = _body(c, node.expressions[2], [Value(s, start.type), Value(x, subject.type.parts[0])])
    converted = coerce(step.sql, step.type, start.type)
    if converted is None:
        raise c.mismatch(node, f"the lambda of reduce gives {step.type}, the state is {start.type}")
    reduced = f"list_reduce({subject.sql}, lambda {s}, {x}: {converted}, {start.sql})"
    end = _body(c, node.expressions[3], [Value(r, start.type)])
    return Value(f"list_extract(list_transform([{reduced}], lambda {r}: {end.sql}), 1)", end.type)


def _of_map(c: Expressions, name: str, node: exp.Anonymous) -> Value:
    """map_filter, transform_keys, transform_values."""
    subject, e = _subject(c, name, node, "map"), _variable(c)
    key, value = subject.type.parts
    entry = [Value(f"struct_extract({e}, 'key')", key), Value(f"struct_extract({e}, 'value')", value)]
    body = _body(c, node.expressions[1], entry)
    if name == "map_filter":
        test = c.as_type(body, BOOLEAN, node, "Result of the lambda")
        kept = f"list_filter(map_entries({subject.sql}), lambda {e}: {test})"
        return Value(f"map_from_entries({kept})", subject.type)
    made = f"list_transform(map_entries({subject.sql}), lambda {e}: {body.sql})"
    if name == "transform_keys":
        return Value(f"map({made}, map_values({subject.sql}))", map_of(body.type, value))
    return Value(f"map(map_keys({subject.sql}), {made})", map_of(key, body.type))


def _zip_with(c: Expressions, name: str, node: exp.Anonymous) -> Value:
    left, right = _subject(c, name, node, "array"), _subject(c, name, node, "array", 1)
    e = _variable(c)
    pair = [Value(f"{e}[1]", left.type.parts[0]), Value(f"{e}[2]", right.type.parts[0])]
    body = _body(c, node.expressions[2], pair)
    return Value(f"list_transform(athena_zip({left.sql}, {right.sql}), lambda {e}: {body.sql})", array(body.type))


LAMBDA_FUNCTIONS: dict[str, tuple[str, Callable[[Expressions, str, exp.Anonymous], Value]]] = {
    "all_match": ("vl", _of_array),
    "any_match": ("vl", _of_array),
    "filter": ("vl", _of_array),
    "map_filter": ("vl", _of_map),
    "none_match": ("vl", _of_array),
    "reduce": ("vvll", _reduce),
    "transform": ("vl", _of_array),
    "transform_keys": ("vl", _of_map),
    "transform_values": ("vl", _of_map),
    "zip_with": ("vvl", _zip_with),
}
"""Which arguments are values and which lambdas, and what compiles the call."""

"""Operators, conditions, conversions, arrays and subqueries."""

# ruff: noqa: S608 - SQL is what this module makes; no text of a user is in it but through casts.text

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from ddb_pipeline.local_aws.athena import operators, special_forms
from ddb_pipeline.local_aws.athena.casts import cast, coerce, failure
from ddb_pipeline.local_aws.athena.compiler import Expressions, compiles
from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported
from ddb_pipeline.local_aws.athena.literals import read_type
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import BIGINT, BOOLEAN, UNKNOWN, VARCHAR, ZONED, array, row

_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


@compiles(*_ARITHMETIC)
def _arithmetic(c: Expressions, node: exp.Binary) -> Value:
    c.only(node, "this", "expression", "typed", "safe")
    left, right = c.compile(node.this), c.compile(node.expression)
    operator = _ARITHMETIC[type(node)]
    return c.checked(operators.arithmetic(operator, left, right), node, operator, left, right)


@compiles(exp.Neg)
def _negative(c: Expressions, node: exp.Neg) -> Value:
    c.only(node, "this")
    inner = c.compile(node.this)
    negated = operators.negate(inner)
    if negated is None:
        raise c.mismatch(node, f"Cannot negate {inner.type}")
    literal = -inner.literal if isinstance(inner.literal, int) and not isinstance(inner.literal, bool) else None
    return Value(negated.sql, negated.type, literal)


@compiles(*_COMPARISONS)
def _comparison(c: Expressions, node: exp.Binary) -> Value:
    c.only(node, "this", "expression")
    left, right = c.compile(node.this), c.compile(node.expression)
    operator = _COMPARISONS[type(node)]
    return c.checked(operators.compare(operator, left, right), node, operator, left, right)


@compiles(exp.NullSafeEQ, exp.NullSafeNEQ)
def _distinct_from(c: Expressions, node: exp.Binary) -> Value:
    c.only(node, "this", "expression")
    left, right = c.compile(node.this), c.compile(node.expression)
    found = operators.distinct_from(left, right, negated=isinstance(node, exp.NullSafeEQ))
    return c.checked(found, node, "IS DISTINCT FROM", left, right)


@compiles(exp.And, exp.Or)
def _logical(c: Expressions, node: exp.Connector) -> Value:
    c.only(node, "this", "expression")
    word = "AND" if isinstance(node, exp.And) else "OR"
    sides = [
        c.as_type(c.compile(side), BOOLEAN, side, "Logical expression term") for side in (node.this, node.expression)
    ]
    return Value(f"({sides[0]} {word} {sides[1]})", BOOLEAN)


@compiles(exp.Not)
def _not(c: Expressions, node: exp.Not) -> Value:
    c.only(node, "this")
    inner = c.as_type(c.compile(node.this), BOOLEAN, node.this, "Value of logical NOT expression")
    return Value(f"(NOT {inner})", BOOLEAN)


@compiles(exp.Is)
def _is(c: Expressions, node: exp.Is) -> Value:
    c.only(node, "this", "expression")
    if not isinstance(node.expression, exp.Null):
        raise not_supported(c.env.sql, node, f"IS {node.expression.sql()}")
    inner = c.compile(node.this)
    return Value(f"({inner.sql} IS NULL)", BOOLEAN)


@compiles(exp.Between)
def _between(c: Expressions, node: exp.Between) -> Value:
    c.only(node, "this", "low", "high")
    value, low, high = c.compile(node.this), c.compile(node.args["low"]), c.compile(node.args["high"])
    above = c.checked(operators.compare(">=", value, low), node, ">=", value, low)
    below = c.checked(operators.compare("<=", value, high), node, "<=", value, high)
    return Value(f"({above.sql} AND {below.sql})", BOOLEAN)


@compiles(exp.In)
def _in(c: Expressions, node: exp.In) -> Value:
    c.only(node, "this", "expressions", "query")
    value = c.compile(node.this)
    if node.args.get("query"):
        sql, types = c.subquery(node.args["query"])
        if len(types) > 1 and value.type.name == "row":
            return _row_in(c, node, value, Value(sql, row((None,) * len(types), tuple(types))))
        if len(types) != 1:
            raise c.mismatch(node, f"Multiple columns returned by subquery are not supported: {len(types)}")
        common = operators.comparable(value.type, types[0])
        probe, found = (
            (coerce(value.sql, value.type, common), coerce("s.c1", types[0], common)) if common else (None, None)
        )
        if probe is None or found is None:
            raise c.mismatch(
                node,
                f"value and result of subquery must be of the same type for IN expression: {value.type} vs {types[0]}",
            )
        return Value(f"({probe} IN (SELECT {found} FROM ({sql}) AS s))", BOOLEAN)
    tests = [
        c.checked(operators.compare("=", value, item), node, "=", value, item).sql for item in c.every(node.expressions)
    ]
    return Value(f"({' OR '.join(tests)})", BOOLEAN)


def _row_in(c: Expressions, node: exp.In, value: Value, found: Value) -> Value:
    """A row among the rows of a subquery, whose columns are its fields.

    A join finds equal rows without NULLs; those that hold one are few, and are compared as rows are.
    """
    columns = [Value(f"s.c{i}", part) for i, part in enumerate(found.type.parts, 1)]
    pairs = list(zip(operators.fields(value), columns, strict=False))
    commons = [operators.comparable(own.type, other.type) for own, other in pairs]
    if None in commons or len(value.type.parts) != len(columns):
        types = f"{value.type} vs {found.type}"
        raise c.mismatch(node, f"value and result of subquery must be of the same type for IN expression: {types}")
    sides = [
        [str(coerce(one.sql, one.type, common)) for one, common in zip(side, commons, strict=True) if common]
        for side in zip(*pairs, strict=True)
    ]
    probe, row_ = (f"row({', '.join(side)})" for side in sides)
    tests = " AND ".join(f"({own} = {other})" for own, other in zip(*sides, strict=True))
    probe_null, row_null = (" OR ".join(f"{one.sql} IS NULL" for one in side) for side in zip(*pairs, strict=True))
    refused = failure(
        "NOT_SUPPORTED", "a row with NULL before IN and a subquery is not supported by local AWS", BOOLEAN
    )
    equal = f"{probe} IN (SELECT {row_} FROM ({found.sql}) AS s WHERE NOT ({row_null}))"
    unknown = f"EXISTS (SELECT 1 FROM (SELECT * FROM ({found.sql}) AS s WHERE {row_null}) AS s WHERE ({tests}) IS NULL)"
    sql = f"CASE WHEN {probe_null} THEN {refused} WHEN {equal} THEN true WHEN {unknown} THEN NULL ELSE false END"
    return Value(sql, BOOLEAN)


@compiles(exp.Like, exp.Escape)
def _like(c: Expressions, node: exp.Expr) -> Value:
    escape = None
    if isinstance(node, exp.Escape):
        c.only(node, "this", "expression")
        escape = c.compile(node.expression)
        node = node.this
    if not isinstance(node, exp.Like):
        raise not_supported(c.env.sql, node, "ESCAPE here")
    c.only(node, "this", "expression", "negate")
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    value, pattern = c.compile(node.this), c.compile(node.expression)
    sides = [
        c.as_type(side, VARCHAR, node, "Operand of LIKE") if side.type.name != "varchar" else side.sql
        for side in (value, pattern)
    ]
    if escape is None:
        return Value(f"({sides[0]} {word} {sides[1]})", BOOLEAN)
    if not isinstance(escape.literal, str) or len(escape.literal) != 1:
        raise failed_at(c.env.sql, node, "INVALID_FUNCTION_ARGUMENT", "Escape string must be a single character")
    return Value(f"({sides[0]} {word} {sides[1]} ESCAPE {escape.sql})", BOOLEAN)


@compiles(exp.DPipe)
def _concatenation(c: Expressions, node: exp.DPipe) -> Value:
    c.only(node, "this", "expression", "safe")
    left, right = c.compile(node.this), c.compile(node.expression)
    return c.checked(operators.concatenate(left, right), node, "||", left, right)


@compiles(exp.Case)
def _case(c: Expressions, node: exp.Case) -> Value:
    c.only(node, "this", "ifs", "default")
    subject = c.compile(node.this) if node.this else None
    tests: list[str] = []
    for branch in node.args["ifs"]:
        test = c.compile(branch.this)
        if subject is None:
            tests.append(c.as_type(test, BOOLEAN, branch, "CASE WHEN clause"))
        else:
            tests.append(c.checked(operators.compare("=", subject, test), branch, "=", subject, test).sql)
    default = c.compile(node.args["default"]) if node.args.get("default") else Value("NULL", UNKNOWN)
    results = [*c.every([branch.args["true"] for branch in node.args["ifs"]]), default]
    converted, type_ = c.unified(results, node, "All CASE results")
    branches = " ".join(f"WHEN {test} THEN {result}" for test, result in zip(tests, converted, strict=False))
    return Value(f"CASE {branches} ELSE {converted[-1]} END", type_)


@compiles(exp.If)
def _if(c: Expressions, node: exp.If) -> Value:
    c.only(node, "this", "true", "false")
    test = c.as_type(c.compile(node.this), BOOLEAN, node.this, "IF condition")
    default = c.compile(node.args["false"]) if node.args.get("false") else Value("NULL", UNKNOWN)
    results = [c.compile(node.args["true"]), default]
    converted, type_ = c.unified(results, node, "Result types for IF")
    return Value(f"CASE WHEN {test} THEN {converted[0]} ELSE {converted[1]} END", type_)


@compiles(exp.Cast, exp.TryCast)
def _cast(c: Expressions, node: exp.Cast) -> Value:
    c.only(node, "this", "to", "safe")
    source, target = c.compile(node.this), read_type(c.env.sql, node.args["to"])
    if target.name == source.type.name == ZONED.name:
        target = replace(target, zone=source.type.zone)
    sql = cast(source.sql, source.type, target)
    if sql is None:
        raise not_supported(c.env.sql, node, f"CAST from {source.type} to {target}")
    return Value(f"TRY({sql})" if isinstance(node, exp.TryCast) else sql, target)


@compiles(exp.Array)
def _array(c: Expressions, node: exp.Array) -> Value:
    c.only(node, "expressions")
    converted, type_ = c.unified(c.every(node.expressions), node, "All ARRAY elements")
    return Value(f"[{', '.join(converted)}]", array(type_))


@compiles(exp.Bracket)
def _bracket(c: Expressions, node: exp.Bracket) -> Value:
    c.only(node, "this", "expressions")
    subject, index = c.compile(node.this), c.compile(node.expressions[0])
    if subject.type.name == "array":
        place = c.as_type(index, BIGINT, node, "Array index")
        return Value(f"athena_subscript({subject.sql}, {place})", subject.type.parts[0])
    if subject.type.name == "map":
        key = c.as_type(index, subject.type.parts[0], node, "Key of a map")
        return Value(f"athena_member({subject.sql}, {key})", subject.type.parts[1])
    if subject.type.name == "row" and isinstance(index.literal, int) and 1 <= index.literal <= len(subject.type.parts):
        part = subject.type.parts[index.literal - 1]
        return Value(f"struct_extract({subject.sql}, 'f{index.literal}')", part)
    raise not_supported(c.env.sql, node, f"a subscript of {subject.type}")


@compiles(exp.Tuple)
def _tuple(c: Expressions, node: exp.Tuple) -> Value:
    c.only(node, "expressions")
    return special_forms.make_row(*c.every(node.expressions))


@compiles(exp.Subquery)
def _scalar_subquery(c: Expressions, node: exp.Expr) -> Value:
    sql, types = c.subquery(node)
    if len(types) != 1:
        raise c.mismatch(node, f"Multiple columns returned by subquery are not supported: {len(types)}")
    return Value(f"({sql})", types[0])


@compiles(exp.Exists)
def _exists(c: Expressions, node: exp.Exists) -> Value:
    c.only(node, "this")
    sql, _ = c.subquery(node.this)
    return Value(f"EXISTS ({sql})", BOOLEAN)

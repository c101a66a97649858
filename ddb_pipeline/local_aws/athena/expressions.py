"""Expressions of Athena's SQL, compiled to DuckDB SQL of the same meaning.

Each kind of syntax node has a method here, and each method says which parts of its node it understands. A node,
a part or a function that is not known fails the query by name: nothing is handed through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from sqlglot import exp

from ddb_pipeline.local_aws.athena import functions, operators, special_forms
from ddb_pipeline.local_aws.athena.casts import cast, coerce
from ddb_pipeline.local_aws.athena.dialect import TypedLiteral
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, failed_at, not_supported
from ddb_pipeline.local_aws.athena.literals import literal_value, read_type, typed_literal
from ddb_pipeline.local_aws.athena.scope import Scope, find
from ddb_pipeline.local_aws.athena.signatures import Value, call
from ddb_pipeline.local_aws.athena.types import (
    BIGINT,
    BOOLEAN,
    DAYS,
    MONTHS,
    UNKNOWN,
    VARCHAR,
    ZONED,
    Type,
    array,
)

_SCALAR_NAMES = functions.known(functions.SCALARS)
_AGGREGATE_NAMES = functions.known(functions.AGGREGATES)
_WINDOW_NAMES = functions.known(functions.WINDOWS)
_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_INTERVALS = {
    "SECOND": ("to_seconds", DAYS),
    "MINUTE": ("to_minutes", DAYS),
    "HOUR": ("to_hours", DAYS),
    "DAY": ("to_days", DAYS),
    "MONTH": ("to_months", MONTHS),
    "YEAR": ("to_years", MONTHS),
}
_EXTRACTED = {
    "YEAR": "year", "QUARTER": "quarter", "MONTH": "month", "WEEK": "week", "DAY": "day", "DAY_OF_MONTH": "day",
    "DAY_OF_WEEK": "day_of_week", "DOW": "day_of_week", "DAY_OF_YEAR": "day_of_year", "DOY": "day_of_year",
    "HOUR": "hour", "MINUTE": "minute", "SECOND": "second",
}  # fmt: skip


class ResolvedColumn(exp.Expression):
    """A column of `*`: which one is known already."""

    arg_types: ClassVar[dict[str, bool]] = {"sql": True, "type_": True}


@dataclass
class Environment:
    """Where expressions stand.

    Attributes:
        sql: Text of the query, for the places in messages.
        started: Start of the query, UTC.
        scope: The names that can be seen.
        subquery: Compiles a query in a scope to its SQL and its columns' types.
        grouped: Compiled GROUP BY expressions; None outside a grouped query.
        clause: Name of the clause, for messages; aggregates are allowed in SELECT, HAVING and ORDER BY.
        windows: Named windows of the SELECT.
    """

    sql: str
    started: datetime
    scope: Scope
    subquery: Callable[[exp.Expr, Scope], tuple[str, list[Type]]]
    grouped: frozenset[str] | None = None
    clause: str = "SELECT"
    windows: dict[str, exp.Window] = field(default_factory=dict)


class Expressions:
    """Compiles expressions of one clause."""

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        self._inside_aggregate = False
        # columns met that are neither grouped nor inside an aggregate
        self._loose: list[exp.Expr] = []

    def value(self, node: exp.Expr) -> Value:
        """Compile an expression.

        Raises:
            QueryFailedError: It is wrong, or not on the list of what local AWS knows.
        """
        self._loose = []
        found = self._compile(node)
        if self._env.grouped is not None and self._loose:
            loose = self._loose[0]
            name = "*" if isinstance(loose, ResolvedColumn) else loose.sql().lower()
            raise failed_at(
                self._env.sql,
                self._loose[0],
                "EXPRESSION_NOT_AGGREGATE",
                f"'{name}' must be an aggregate expression or appear in GROUP BY clause",
            )
        return found

    def condition(self, node: exp.Expr) -> str:
        """Compile a condition of WHERE, HAVING or ON."""
        value = self.value(node)
        sql = coerce(value.sql, value.type, BOOLEAN)
        if sql is None:
            message = f"{self._env.clause} clause must evaluate to a boolean: actual type {value.type}"
            raise failed_at(self._env.sql, node, "TYPE_MISMATCH", message)
        return sql

    def _compile(self, node: exp.Expr) -> Value:
        method = _METHODS.get(type(node))
        if method is None:
            raise not_supported(self._env.sql, node, f"{node.key.upper()} syntax")
        marks = len(self._loose)
        value = method(self, node)
        if self._env.grouped is not None and value.sql in self._env.grouped:
            del self._loose[marks:]
        return value

    def _only(self, node: exp.Expr, *known: str) -> None:
        for key, part in node.args.items():
            if part and key not in known:
                raise not_supported(self._env.sql, node, f"{key.replace('_', ' ').upper()} in {node.key.upper()}")

    def _all(self, nodes: Sequence[exp.Expr]) -> list[Value]:
        return [self._compile(node) for node in nodes]

    def _mismatch(self, node: exp.Expr, message: str) -> QueryFailedError:
        return failed_at(self._env.sql, node, "TYPE_MISMATCH", message)

    def _checked(self, value: Value | None, node: exp.Expr, operator: str, *operands: Value) -> Value:
        if value is None:
            shown = f" {operator} ".join(str(operand.type) for operand in operands)
            raise self._mismatch(node, f"Cannot apply operator: {shown}")
        return value

    def _as(self, value: Value, type_: Type, node: exp.Expr, what: str) -> str:
        sql = coerce(value.sql, value.type, type_)
        if sql is None:
            raise self._mismatch(node, f"{what} must evaluate to a {type_} (actual: {value.type})")
        return sql

    # names and literals

    def _column(self, node: exp.Column) -> Value:
        self._only(node, "this", "table", "db", "catalog")
        parts = [part for part in (node.args.get(key) for key in ("catalog", "db", "table", "this")) if part]
        if isinstance(node.this, exp.Star):
            raise not_supported(self._env.sql, node, "* here")
        names = [part.name.lower() for part in parts]
        if names[-1].startswith("$"):
            raise not_supported(self._env.sql, node, f'the hidden column "{names[-1]}"')
        if names[0] in self._env.scope.lambdas:
            return self._fields(self._env.scope.lambdas[names[0]], names[1:], node)
        found = find(self._env.scope, names)
        if found is None:
            message = f"Column '{'.'.join(names)}' cannot be resolved or requester is not authorized to access requested resources"
            raise failed_at(self._env.sql, node, "COLUMN_NOT_FOUND", message)
        if len(found.candidates) > 1:
            raise failed_at(self._env.sql, node, "AMBIGUOUS_NAME", f"Column '{'.'.join(names)}' is ambiguous")
        column = found.candidates[0]
        if not found.outer and not self._inside_aggregate:
            grouped = self._env.grouped
            if grouped is not None and column.sql not in grouped:
                self._loose.append(node)
        return self._fields(Value(column.sql, column.type), found.fields, node)

    def _fields(self, value: Value, names: Sequence[str], node: exp.Expr) -> Value:
        for name in names:
            places = [i for i, own in enumerate(value.type.names, 1) if own == name] if value.type.name == "row" else []
            if len(places) != 1:
                message = f"Column '{name}' cannot be resolved: {value.type} has no such field"
                raise failed_at(self._env.sql, node, "COLUMN_NOT_FOUND", message)
            value = Value(f"struct_extract({value.sql}, 'f{places[0]}')", value.type.parts[places[0] - 1])
        return value

    def _resolved(self, node: ResolvedColumn) -> Value:
        value = Value(node.args["sql"], node.args["type_"])
        if self._env.grouped is not None and value.sql not in self._env.grouped:
            self._loose.append(node)
        return value

    def _identifier(self, node: exp.Identifier) -> Value:
        return self._column(exp.Column(this=node))

    def _dot(self, node: exp.Dot) -> Value:
        self._only(node, "this", "expression")
        if not isinstance(node.expression, exp.Identifier):
            raise not_supported(self._env.sql, node, "a qualified function name")
        return self._fields(self._compile(node.this), [node.expression.name.lower()], node)

    def _literal(self, node: exp.Expr) -> Value:
        return literal_value(self._env.sql, node)

    def _typed(self, node: exp.Expr) -> Value:
        return typed_literal(self._env.sql, node)

    def _null(self, node: exp.Expr) -> Value:
        del node
        return Value("NULL", UNKNOWN)

    def _boolean(self, node: exp.Boolean) -> Value:
        return Value("true" if node.this else "false", BOOLEAN, bool(node.this))

    def _interval(self, node: exp.Interval) -> Value:
        self._only(node, "this", "unit")
        unit = node.args["unit"].name.upper() if isinstance(node.args.get("unit"), exp.Var) else ""
        text = node.name
        if unit not in _INTERVALS or not text.removeprefix("-").isdecimal() or not text.isascii():
            raise not_supported(self._env.sql, node, "this INTERVAL")
        function, type_ = _INTERVALS[unit]
        return Value(f"{function}({int(text)})", type_, "time" if unit in {"SECOND", "MINUTE", "HOUR"} else "days")

    def _paren(self, node: exp.Paren) -> Value:
        self._only(node, "this")
        inner = self._compile(node.this)
        return Value(inner.sql, inner.type, inner.literal)

    # operators

    def _arithmetic(self, node: exp.Binary) -> Value:
        self._only(node, "this", "expression", "typed", "safe")
        left, right = self._compile(node.this), self._compile(node.expression)
        operator = _ARITHMETIC[type(node)]
        return self._checked(operators.arithmetic(operator, left, right), node, operator, left, right)

    def _negative(self, node: exp.Neg) -> Value:
        self._only(node, "this")
        inner = self._compile(node.this)
        negated = operators.negate(inner)
        if negated is None:
            raise self._mismatch(node, f"Cannot negate {inner.type}")
        literal = -inner.literal if isinstance(inner.literal, int) and not isinstance(inner.literal, bool) else None
        return Value(negated.sql, negated.type, literal)

    def _comparison(self, node: exp.Binary) -> Value:
        self._only(node, "this", "expression")
        left, right = self._compile(node.this), self._compile(node.expression)
        operator = _COMPARISONS[type(node)]
        return self._checked(operators.compare(operator, left, right), node, operator, left, right)

    def _distinct_from(self, node: exp.Binary) -> Value:
        self._only(node, "this", "expression")
        left, right = self._compile(node.this), self._compile(node.expression)
        found = operators.distinct_from(left, right, negated=isinstance(node, exp.NullSafeEQ))
        return self._checked(found, node, "IS DISTINCT FROM", left, right)

    def _logical(self, node: exp.Connector) -> Value:
        self._only(node, "this", "expression")
        word = "AND" if isinstance(node, exp.And) else "OR"
        sides = [self._as(self._compile(side), BOOLEAN, side, "Logical expression term") for side in (node.this, node.expression)]
        return Value(f"({sides[0]} {word} {sides[1]})", BOOLEAN)

    def _not(self, node: exp.Not) -> Value:
        self._only(node, "this")
        inner = self._as(self._compile(node.this), BOOLEAN, node.this, "Value of logical NOT expression")
        return Value(f"(NOT {inner})", BOOLEAN)

    def _is(self, node: exp.Is) -> Value:
        self._only(node, "this", "expression")
        if not isinstance(node.expression, exp.Null):
            raise not_supported(self._env.sql, node, f"IS {node.expression.sql()}")
        inner = self._compile(node.this)
        return Value(f"({inner.sql} IS NULL)", BOOLEAN)

    def _between(self, node: exp.Between) -> Value:
        self._only(node, "this", "low", "high")
        value, low, high = self._compile(node.this), self._compile(node.args["low"]), self._compile(node.args["high"])
        above = self._checked(operators.compare(">=", value, low), node, ">=", value, low)
        below = self._checked(operators.compare("<=", value, high), node, "<=", value, high)
        return Value(f"({above.sql} AND {below.sql})", BOOLEAN)

    def _in(self, node: exp.In) -> Value:
        self._only(node, "this", "expressions", "query")
        value = self._compile(node.this)
        if node.args.get("query"):
            sql, types = self._subquery(node.args["query"])
            if len(types) != 1:
                raise self._mismatch(node, f"Multiple columns returned by subquery are not supported: {len(types)}")
            common = operators.comparable(value.type, types[0])
            probe, found = (coerce(value.sql, value.type, common), coerce("s.c1", types[0], common)) if common else (None, None)
            if probe is None or found is None:
                raise self._mismatch(node, f"value and result of subquery must be of the same type for IN expression: {value.type} vs {types[0]}")
            return Value(f"({probe} IN (SELECT {found} FROM ({sql}) AS s))", BOOLEAN)
        tests = [
            self._checked(operators.compare("=", value, item), node, "=", value, item).sql
            for item in self._all(node.expressions)
        ]
        return Value(f"({' OR '.join(tests)})", BOOLEAN)

    def _like(self, node: exp.Expr) -> Value:
        escape = None
        if isinstance(node, exp.Escape):
            self._only(node, "this", "expression")
            escape = self._compile(node.expression)
            node = node.this
        if not isinstance(node, exp.Like):
            raise not_supported(self._env.sql, node, "ESCAPE here")
        self._only(node, "this", "expression")
        value, pattern = self._compile(node.this), self._compile(node.expression)
        sides = [self._as(side, VARCHAR, node, "Operand of LIKE") if side.type.name != "varchar" else side.sql for side in (value, pattern)]
        if escape is None:
            return Value(f"({sides[0]} LIKE {sides[1]})", BOOLEAN)
        if not isinstance(escape.literal, str) or len(escape.literal) != 1:
            raise failed_at(self._env.sql, node, "INVALID_FUNCTION_ARGUMENT", "Escape string must be a single character")
        return Value(f"({sides[0]} LIKE {sides[1]} ESCAPE {escape.sql})", BOOLEAN)

    def _concatenation(self, node: exp.DPipe) -> Value:
        self._only(node, "this", "expression", "safe")
        left, right = self._compile(node.this), self._compile(node.expression)
        return self._checked(operators.concatenate(left, right), node, "||", left, right)

    # conditions

    def _unified(self, values: list[Value], node: exp.Expr, what: str) -> tuple[list[str], Type]:
        converted, type_ = special_forms.unify(tuple(values))
        if type_ is None:
            raise self._mismatch(node, f"{what} must be the same type or coercible to a common type")
        return converted, type_

    def _case(self, node: exp.Case) -> Value:
        self._only(node, "this", "ifs", "default")
        subject = self._compile(node.this) if node.this else None
        tests: list[str] = []
        for branch in node.args["ifs"]:
            test = self._compile(branch.this)
            if subject is None:
                tests.append(self._as(test, BOOLEAN, branch, "CASE WHEN clause"))
            else:
                tests.append(self._checked(operators.compare("=", subject, test), branch, "=", subject, test).sql)
        default = self._compile(node.args["default"]) if node.args.get("default") else Value("NULL", UNKNOWN)
        results = [*self._all([branch.args["true"] for branch in node.args["ifs"]]), default]
        converted, type_ = self._unified(results, node, "All CASE results")
        branches = " ".join(f"WHEN {test} THEN {result}" for test, result in zip(tests, converted, strict=False))
        return Value(f"CASE {branches} ELSE {converted[-1]} END", type_)

    def _if(self, node: exp.If) -> Value:
        self._only(node, "this", "true", "false")
        test = self._as(self._compile(node.this), BOOLEAN, node.this, "IF condition")
        default = self._compile(node.args["false"]) if node.args.get("false") else Value("NULL", UNKNOWN)
        results = [self._compile(node.args["true"]), default]
        converted, type_ = self._unified(results, node, "Result types for IF")
        return Value(f"CASE WHEN {test} THEN {converted[0]} ELSE {converted[1]} END", type_)

    def _cast(self, node: exp.Cast) -> Value:
        self._only(node, "this", "to", "safe")
        source, target = self._compile(node.this), read_type(self._env.sql, node.args["to"])
        sql = cast(source.sql, source.type, target)
        if sql is None:
            raise not_supported(self._env.sql, node, f"CAST from {source.type} to {target}")
        return Value(f"TRY({sql})" if isinstance(node, exp.TryCast) else sql, target)

    # arrays and rows

    def _array(self, node: exp.Array) -> Value:
        self._only(node, "expressions")
        converted, type_ = self._unified(self._all(node.expressions), node, "All ARRAY elements")
        return Value(f"[{', '.join(converted)}]", array(type_))

    def _bracket(self, node: exp.Bracket) -> Value:
        self._only(node, "this", "expressions")
        subject, index = self._compile(node.this), self._compile(node.expressions[0])
        if subject.type.name == "array":
            place = self._as(index, BIGINT, node, "Array index")
            return Value(f"athena_subscript({subject.sql}, {place})", subject.type.parts[0])
        raise not_supported(self._env.sql, node, f"a subscript of {subject.type}")

    def _tuple(self, node: exp.Tuple) -> Value:
        self._only(node, "expressions")
        return special_forms.make_row(*self._all(node.expressions))

    # subqueries

    def _subquery(self, node: exp.Expr) -> tuple[str, list[Type]]:
        return self._env.subquery(node, self._env.scope)

    def _scalar_subquery(self, node: exp.Expr) -> Value:
        sql, types = self._subquery(node)
        if len(types) != 1:
            raise self._mismatch(node, f"Multiple columns returned by subquery are not supported: {len(types)}")
        return Value(f"({sql})", types[0])

    def _exists(self, node: exp.Exists) -> Value:
        self._only(node, "this")
        sql, _ = self._subquery(node.this)
        return Value(f"EXISTS ({sql})", BOOLEAN)

    # functions

    def _function(self, node: exp.Anonymous) -> Value:
        self._only(node, "this", "expressions")
        name = _function_name(node)
        if name in _AGGREGATE_NAMES:
            return self._aggregate(node, "")
        if name in _WINDOW_NAMES:
            raise failed_at(self._env.sql, node, "MISSING_OVER", f"Window function {name} requires an OVER clause")
        if name == "now" and not node.expressions:
            return special_forms.now(self._env.started)
        if name in {"transform", "filter", "any_match", "all_match", "none_match"}:
            return self._lambda_function(name, node)
        if any(isinstance(argument, (exp.Distinct, exp.Order, exp.Lambda, exp.Star)) for argument in node.expressions):
            raise not_supported(self._env.sql, node, f"such an argument of function {name}")
        arguments = self._all(node.expressions)
        if name in special_forms.FORMS:
            return self._form(name, node, arguments)
        if name not in _SCALAR_NAMES:
            raise failed_at(
                self._env.sql, node, "FUNCTION_NOT_FOUND", f"Function '{name}' is not supported by local AWS, or not registered"
            )
        return self._called(name, functions.overloads(functions.SCALARS, name), arguments, node)

    def _form(self, name: str, node: exp.Anonymous, arguments: list[Value]) -> Value:
        least, most, form = special_forms.FORMS[name]
        try:
            found = form(*arguments) if least <= len(arguments) <= most else None
        except special_forms.UnsupportedArgumentError as error:
            kind = "NOT_SUPPORTED" if "local AWS" in str(error) else "INVALID_FUNCTION_ARGUMENT"
            raise failed_at(self._env.sql, node, kind, str(error)) from None
        if found is None:
            raise self._unexpected(name, node, arguments)
        return found

    def _called(self, name: str, found: list[functions.Function], arguments: list[Value], node: exp.Expr) -> Value:
        value = call(found, arguments)
        if value is None:
            raise self._unexpected(name, node, arguments)
        return value if value.type != Type("varchar", (0,)) else Value(value.sql, VARCHAR)

    def _unexpected(self, name: str, node: exp.Expr, arguments: list[Value]) -> QueryFailedError:
        shown = ", ".join(str(argument.type) for argument in arguments)
        message = f"Unexpected parameters ({shown}) for function {name}, as far as local AWS knows it"
        return failed_at(self._env.sql, node, "FUNCTION_NOT_FOUND", message)

    def _lambda_function(self, name: str, node: exp.Anonymous) -> Value:
        if len(node.expressions) != 2 or not isinstance(node.expressions[1], exp.Lambda):  # noqa: PLR2004
            raise failed_at(self._env.sql, node, "FUNCTION_NOT_FOUND", f"{name} takes an array and a lambda")
        subject, arrow = self._compile(node.expressions[0]), node.expressions[1]
        self._only(arrow, "this", "expressions")
        if subject.type.name != "array" or len(arrow.expressions) != 1:
            raise self._unexpected(name, node, [subject])
        variable = f"x{len(self._env.scope.lambdas) + 1}"
        own = arrow.expressions[0].name.lower()
        before = dict(self._env.scope.lambdas)
        self._env.scope.lambdas[own] = Value(variable, subject.type.parts[0])
        body = self._compile(arrow.this)
        self._env.scope.lambdas.clear()
        self._env.scope.lambdas.update(before)
        if name == "transform":
            return Value(f"list_transform({subject.sql}, lambda {variable}: {body.sql})", array(body.type))
        test = self._as(body, BOOLEAN, node, "Result of the lambda")
        if name == "filter":
            return Value(f"list_filter({subject.sql}, lambda {variable}: {test})", subject.type)
        tests = f"list_transform({subject.sql}, lambda {variable}: {test})"
        matched = {"any_match": ("list_bool_or", "false"), "all_match": ("list_bool_and", "true"), "none_match": ("list_bool_or", "false")}
        function, empty = matched[name]
        # SQL's three values: one certain element decides, else a NULL among them makes it NULL
        certain = "false" if function == "list_bool_and" else "true"
        answer = (
            f"CASE WHEN {subject.sql} IS NULL THEN NULL WHEN list_contains({tests}, {certain}) THEN {certain} "
            f"WHEN athena_has_null({tests}) THEN NULL ELSE {empty} END"
        )
        return Value(f"(NOT {answer})" if name == "none_match" else answer, BOOLEAN)

    def _aggregate(self, node: exp.Anonymous, suffix: str, *, window: bool = False) -> Value:
        name = _function_name(node)
        if not window:
            if self._env.grouped is None:
                message = f"{self._env.clause} clause cannot contain aggregations, window functions or grouping operations: [{name}]"
                raise failed_at(self._env.sql, node, "EXPRESSION_NOT_SCALAR", message)
            if self._inside_aggregate:
                raise failed_at(self._env.sql, node, "NESTED_AGGREGATION", f"Cannot nest aggregations inside aggregation '{name}'")
        outer, self._inside_aggregate = self._inside_aggregate, not window or self._inside_aggregate
        try:
            distinct, order, nodes = self._aggregate_parts(node, name)
            if name == "count" and [type(n) for n in nodes] in ([exp.Star], []):
                found = Value("count(*)", BIGINT)
            else:
                found = self._called(name, functions.overloads(functions.AGGREGATES, name), self._all(nodes), node)
        finally:
            self._inside_aggregate = outer
        self._check_aggregate(name, found, node)
        if distinct or order or suffix:
            found = Value(_inside(found.sql, distinct=distinct, order=order) + suffix, found.type)
        if name == "sum" and found.type.name in {"bigint", "decimal"} and not window:
            # DuckDB sums in 128 bits; Trino fails beyond its type
            found = Value(f"CAST({found.sql} AS {'BIGINT' if found.type == BIGINT else f'DECIMAL(38,{found.type.numbers[1]})'})", found.type)
        return found

    def _check_aggregate(self, name: str, found: Value, node: exp.Expr) -> None:
        if name in {"min", "max"} and found.type.parts:
            raise not_supported(self._env.sql, node, f"{name} of {found.type}")
        if found.type.name == "json":
            raise not_supported(self._env.sql, node, f"{name} of json")

    def _aggregate_parts(self, node: exp.Anonymous, name: str) -> tuple[bool, str, list[exp.Expr]]:
        nodes: list[exp.Expr] = list(node.expressions)
        order = ""
        if nodes and isinstance(nodes[-1], exp.Order):
            ordered = nodes.pop()
            if name != "array_agg":
                raise not_supported(self._env.sql, node, f"ORDER BY inside {name}")
            nodes.append(ordered.this)
            order = self.ordering(ordered.expressions)
        distinct = len(nodes) == 1 and isinstance(nodes[0], exp.Distinct)
        if distinct:
            self._only(nodes[0], "expressions")
            nodes = list(nodes[0].expressions)
            if name == "array_agg" and order:
                raise not_supported(self._env.sql, node, "DISTINCT with ORDER BY inside array_agg")
        return distinct, order, nodes

    def ordering(self, items: Sequence[exp.Expr]) -> str:
        """Compile the items of an ORDER BY inside a function or window."""
        parts = []
        for item in items:
            self._only(item, "this", "desc", "nulls_first")
            value = self._compile(item.this)
            if value.type.parts or value.type.name == "json":
                raise not_supported(self._env.sql, item, f"ORDER BY of {value.type}")
            parts.append(f"{_not_an_ordinal(value)} {direction(item)}")
        return ", ".join(parts)

    def _filtered(self, node: exp.Filter) -> Value:
        self._only(node, "this", "expression")
        return self._with_filter(node, window=False)

    def _with_filter(self, node: exp.Filter, *, window: bool) -> Value:
        if not isinstance(node.this, exp.Anonymous) or _function_name(node.this) not in _AGGREGATE_NAMES:
            raise not_supported(self._env.sql, node, "FILTER of this function")
        outer, self._inside_aggregate = self._inside_aggregate, not window or self._inside_aggregate
        test = self._as(self._compile(node.expression.this), BOOLEAN, node, "FILTER condition")
        self._inside_aggregate = outer
        return self._aggregate(node.this, f" FILTER (WHERE {test})", window=window)

    def _window(self, node: exp.Window) -> Value:
        self._only(node, "this", "partition_by", "order", "spec", "alias", "over")
        if self._env.clause not in {"SELECT", "ORDER BY"} or self._inside_aggregate:
            message = f"{self._env.clause} clause cannot contain aggregations, window functions or grouping operations"
            raise failed_at(self._env.sql, node, "EXPRESSION_NOT_SCALAR", message)
        function, nulls = node.this, ""
        if isinstance(function, (exp.IgnoreNulls, exp.RespectNulls)):
            nulls = " IGNORE NULLS" if isinstance(function, exp.IgnoreNulls) else ""
            function = function.this
        value = self._window_value(function, nulls, node)
        over = self._over(node)
        needs_cast = value.type == BIGINT or value.type.name == "decimal"
        sql = f"{value.sql} OVER ({over})"
        return Value(f"CAST({sql} AS {_sql_type(value.type)})" if needs_cast else sql, value.type)

    def _window_value(self, function: exp.Expr, nulls: str, node: exp.Expr) -> Value:
        if isinstance(function, exp.Filter) and not nulls:
            return self._with_filter(function, window=True)
        if not isinstance(function, exp.Anonymous):
            raise not_supported(self._env.sql, node, "this window function")
        self._only(function, "this", "expressions")
        name = _function_name(function)
        if name in _AGGREGATE_NAMES and not nulls:
            return self._aggregate(function, "", window=True)
        if name not in _WINDOW_NAMES or (nulls and name not in {"lag", "lead", "first_value", "last_value"}):
            raise failed_at(self._env.sql, node, "FUNCTION_NOT_FOUND", f"Window function '{name}' is not supported by local AWS")
        value = self._called(name, functions.overloads(functions.WINDOWS, name), self._all(function.expressions), function)
        return Value(f"{value.sql[:-1]}{nulls})", value.type)

    def _over(self, node: exp.Window) -> str:
        alias = node.args.get("alias")
        if alias is not None and node.args.get("over"):
            named = self._env.windows.get(alias.name.lower())
            if named is None:
                raise failed_at(self._env.sql, node, "INVALID_WINDOW_REFERENCE", f"Cannot resolve WINDOW name {alias.name}")
            node = named
        parts = []
        if node.args.get("partition_by"):
            keys = self._all(node.args["partition_by"])
            if any(key.type.name == "json" for key in keys):
                raise not_supported(self._env.sql, node, "PARTITION BY of json")
            parts.append("PARTITION BY " + ", ".join(_not_an_ordinal(key) for key in keys))
        if node.args.get("order"):
            parts.append("ORDER BY " + self.ordering(node.args["order"].expressions))
        if node.args.get("spec"):
            parts.append(self._frame(node.args["spec"]))
        return " ".join(parts)

    def _frame(self, spec: exp.WindowSpec) -> str:
        self._only(spec, "kind", "start", "start_side", "end", "end_side")
        kind = str(spec.args["kind"]).upper()
        bounds = []
        for edge in ("start", "end"):
            bound, side = spec.args.get(edge), str(spec.args.get(f"{edge}_side") or "").upper()
            if bound is None:
                bounds.append("CURRENT ROW")
            elif isinstance(bound, str) and bound.upper() in {"UNBOUNDED", "CURRENT ROW"}:
                bounds.append(f"{bound.upper()} {side}".strip())
            elif kind == "ROWS" and isinstance(bound, exp.Literal) and not bound.is_string and bound.name.isdecimal():
                bounds.append(f"{bound.name} {side}")
            else:
                raise not_supported(self._env.sql, spec, "this window frame")
        if kind not in {"ROWS", "RANGE"}:
            raise not_supported(self._env.sql, spec, f"a {kind} frame")
        return f"{kind} BETWEEN {bounds[0]} AND {bounds[1]}"

    # forms with syntax of their own

    def _extract(self, node: exp.Extract) -> Value:
        self._only(node, "this", "expression")
        name = _EXTRACTED.get(node.name.upper())
        if name is None:
            raise not_supported(self._env.sql, node, f"EXTRACT of {node.name.upper()}")
        return self._called(name, functions.overloads(functions.SCALARS, name), [self._compile(node.expression)], node)

    def _position(self, node: exp.StrPosition) -> Value:
        self._only(node, "this", "substr")
        arguments = [self._compile(node.this), self._compile(node.args["substr"])]
        return self._called("strpos", functions.overloads(functions.SCALARS, "strpos"), arguments, node)

    def _trim(self, node: exp.Trim) -> Value:
        self._only(node, "this", "position")
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
        return self._called(name, functions.overloads(functions.SCALARS, name), [self._compile(node.this)], node)

    def _at_time_zone(self, node: exp.AtTimeZone) -> Value:
        self._only(node, "this", "zone")
        zone = self._compile(node.args["zone"])
        if zone.literal != "UTC":
            raise not_supported(self._env.sql, node, "a time zone other than 'UTC'")
        inner = self._compile(node.this)
        if inner.type.name not in {"timestamp", ZONED.name}:
            raise self._mismatch(node, f"Type of value must be a timestamp with time zone (actual {inner.type})")
        return Value(inner.sql, Type(ZONED.name, inner.type.numbers))

    def _now(self, node: exp.Expr) -> Value:
        self._only(node)
        moment = special_forms.now(self._env.started)
        if isinstance(node, exp.CurrentDate):
            return Value(f"DATE '{self._env.started:%Y-%m-%d}'", Type("date"))
        return moment if isinstance(node, exp.CurrentTimestamp) else special_forms.local_now(self._env.started)


def _function_name(node: exp.Anonymous) -> str:
    name = node.this.name if isinstance(node.this, exp.Expr) else str(node.this)
    return name.lower()


def is_aggregate(node: exp.Expr) -> bool:
    """Whether the node is a call of an aggregate function outside a window."""
    if not isinstance(node, exp.Anonymous) or _function_name(node) not in _AGGREGATE_NAMES:
        return False
    above = node.parent.parent if isinstance(node.parent, (exp.Filter, exp.IgnoreNulls)) else node.parent
    under = node.parent if isinstance(node.parent, (exp.Filter, exp.IgnoreNulls)) else node
    return not (isinstance(above, exp.Window) and above.this is under)


def direction(item: exp.Expr) -> str:
    """ASC or DESC, and where NULLs go: last in both directions unless the query says otherwise."""
    nulls = "FIRST" if item.args.get("nulls_first") else "LAST"
    return f"{'DESC' if item.args.get('desc') else 'ASC'} NULLS {nulls}"


def _not_an_ordinal(value: Value) -> str:
    """DuckDB reads a whole number in ORDER BY or PARTITION BY as the place of a column: a literal is a CAST here."""
    return value.sql


def _inside(sql: str, *, distinct: bool, order: str) -> str:
    """Put DISTINCT and ORDER BY into the call that `sql` is."""
    if distinct:
        head, _, rest = sql.partition("(")
        sql = f"{head}(DISTINCT {rest}"
    return f"{sql[:-1]} ORDER BY {order})" if order else sql


def _sql_type(type_: Type) -> str:
    return "BIGINT" if type_ == BIGINT else f"DECIMAL({type_.numbers[0]},{type_.numbers[1]})"


_METHODS: dict[type[exp.Expr], Callable[[Expressions, Any], Value]] = {
    **dict.fromkeys(_ARITHMETIC, Expressions._arithmetic),
    **dict.fromkeys(_COMPARISONS, Expressions._comparison),
    exp.Column: Expressions._column,
    exp.Identifier: Expressions._identifier,
    exp.Dot: Expressions._dot,
    exp.Literal: Expressions._literal,
    exp.HexString: Expressions._literal,
    exp.Null: Expressions._null,
    exp.Boolean: Expressions._boolean,
    exp.Interval: Expressions._interval,
    exp.Paren: Expressions._paren,
    exp.Neg: Expressions._negative,
    exp.NullSafeEQ: Expressions._distinct_from,
    exp.NullSafeNEQ: Expressions._distinct_from,
    exp.And: Expressions._logical,
    exp.Or: Expressions._logical,
    exp.Not: Expressions._not,
    exp.Is: Expressions._is,
    exp.Between: Expressions._between,
    exp.In: Expressions._in,
    exp.Like: Expressions._like,
    exp.Escape: Expressions._like,
    exp.DPipe: Expressions._concatenation,
    exp.Case: Expressions._case,
    exp.If: Expressions._if,
    exp.Cast: Expressions._cast,
    exp.TryCast: Expressions._cast,
    exp.Array: Expressions._array,
    exp.Bracket: Expressions._bracket,
    exp.Tuple: Expressions._tuple,
    exp.Subquery: Expressions._scalar_subquery,
    exp.Exists: Expressions._exists,
    exp.Anonymous: Expressions._function,
    exp.Filter: Expressions._filtered,
    exp.Window: Expressions._window,
    exp.Extract: Expressions._extract,
    exp.StrPosition: Expressions._position,
    exp.Trim: Expressions._trim,
    exp.AtTimeZone: Expressions._at_time_zone,
    exp.CurrentDate: Expressions._now,
    exp.CurrentTimestamp: Expressions._now,
    exp.Localtimestamp: Expressions._now,
    TypedLiteral: Expressions._typed,
    ResolvedColumn: Expressions._resolved,
}

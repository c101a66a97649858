"""Aggregates and window functions."""

from __future__ import annotations

from sqlglot import exp

from ddb_pipeline.local_aws.athena import functions
from ddb_pipeline.local_aws.athena.compiler import Expressions, compiles, function_name
from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import BIGINT, BOOLEAN, Type

_AGGREGATE_NAMES = functions.known(functions.AGGREGATES)
_WINDOW_NAMES = functions.known(functions.WINDOWS)


def aggregate(c: Expressions, node: exp.Anonymous, suffix: str, *, window: bool = False) -> Value:
    """Compile the call of an aggregate; `suffix` is its FILTER, `window` says that OVER follows."""
    name = function_name(node)
    if not window:
        if c.env.grouped is None:
            message = (
                f"{c.env.clause} clause cannot contain aggregations, window functions or grouping operations: [{name}]"
            )
            raise failed_at(c.env.sql, node, "EXPRESSION_NOT_SCALAR", message)
        if c.inside_aggregate:
            raise failed_at(
                c.env.sql, node, "NESTED_AGGREGATION", f"Cannot nest aggregations inside aggregation '{name}'"
            )
    outer, c.inside_aggregate = c.inside_aggregate, not window or c.inside_aggregate
    try:
        distinct, order, nodes = _aggregate_parts(c, node, name)
        if name == "count" and [type(n) for n in nodes] in ([exp.Star], []):
            found = Value("count(*)", BIGINT)
        else:
            found = c.called(name, functions.overloads(functions.AGGREGATES, name), c.every(nodes), node)
    finally:
        c.inside_aggregate = outer
    _check_aggregate(c, name, found, node)
    is_average = name == "avg" and found.type.name == "decimal"
    if name.startswith("approx_"):
        _check_approximation(c, node, name, nodes, distinct=distinct)
    finish = functions.FINISHED.get((name, len(nodes)))
    if window and (is_average or finish is not None):
        raise not_supported(c.env.sql, node, f"{name} of {found.type} as a window function")
    if is_average:
        return _average_of_decimals(found, suffix, distinct=distinct)
    if distinct or order or suffix:
        found = Value(_inside(found.sql, distinct=distinct, order=order) + suffix, found.type)
    return Value(finish.format(found.sql), found.type) if finish else _narrowed(name, found, window=window)


def _narrowed(name: str, found: Value, *, window: bool) -> Value:
    """DuckDB sums in 128 bits; Trino fails beyond its type. A window's sum is narrowed where its OVER is known."""
    if name != "sum" or window or found.type.name not in {"bigint", "decimal"}:
        return found
    return Value(f"CAST({found.sql} AS {_sql_type(found.type)})", found.type)


def _average_of_decimals(found: Value, suffix: str, *, distinct: bool) -> Value:
    """`avg` of decimals is one of the same type, rounded half up (DecimalAverageAggregation); DuckDB's is a double."""
    argument = found.sql.removeprefix("avg")
    total, count = (_inside(name + argument, distinct=distinct, order="") + suffix for name in ("sum", "count"))
    precision, scale = found.type.numbers
    unscaled = f"athena_unscaled(CAST({total} AS DECIMAL(38,{scale})))"
    shown = f"athena_decimal_text(athena_half_up({unscaled}, {count}), {scale})"
    return Value(f"CASE WHEN {count} > 0 THEN CAST({shown} AS DECIMAL({precision},{scale})) END", found.type)


def _check_aggregate(c: Expressions, name: str, found: Value, node: exp.Expr) -> None:
    ranked = found.type.parts[0] if found.type.parts and len(node.expressions) > 1 else found.type
    if name in {"min", "max"} and ranked.parts:
        raise not_supported(c.env.sql, node, f"{name} of {found.type}")
    if found.type.name == "json" and name not in {"any_value", "arbitrary", "max_by", "min_by"}:
        raise not_supported(c.env.sql, node, f"{name} of json")


def _check_approximation(c: Expressions, node: exp.Expr, name: str, nodes: list[exp.Expr], *, distinct: bool) -> None:
    """Hold the arguments to what is computed here, which is exact: a wrong percentage would turn the order round."""
    if distinct:
        raise not_supported(c.env.sql, node, f"DISTINCT in {name}")
    if name == "approx_percentile":
        shares = nodes[1].expressions if isinstance(nodes[1], exp.Array) else nodes[1:]
        if not all(isinstance(share, exp.Literal) and not share.is_string for share in shares):
            raise not_supported(c.env.sql, node, "a percentage that is computed")
        if any(float(share.name) > 1 for share in shares):
            raise failed_at(c.env.sql, node, "INVALID_FUNCTION_ARGUMENT", "Percentile must be between 0 and 1")


def _aggregate_parts(c: Expressions, node: exp.Anonymous, name: str) -> tuple[bool, str, list[exp.Expr]]:
    nodes: list[exp.Expr] = list(node.expressions)
    order = ""
    if nodes and isinstance(nodes[-1], exp.Order):
        ordered = nodes.pop()
        if name not in {"array_agg", "listagg"}:
            raise not_supported(c.env.sql, node, f"ORDER BY inside {name}")
        nodes.append(ordered.this)
        order = c.ordering(ordered.expressions)
    distinct = len(nodes) == 1 and isinstance(nodes[0], exp.Distinct)
    if distinct:
        c.only(nodes[0], "expressions")
        nodes = list(nodes[0].expressions)
        if order and any(item.this not in nodes for item in node.expressions[-1].expressions):
            message = "For aggregate function with DISTINCT, ORDER BY expressions must appear in arguments"
            raise failed_at(c.env.sql, node, "EXPRESSION_NOT_IN_DISTINCT", message)
    return distinct, order, nodes


@compiles(exp.WithinGroup)
def _within_group(c: Expressions, node: exp.WithinGroup) -> Value:
    c.only(node, "this", "expression")
    call = node.this
    if not isinstance(call, exp.Anonymous) or function_name(call) != "listagg" or not call.expressions:
        raise not_supported(c.env.sql, node, "WITHIN GROUP of this function")
    *others, last = call.expressions
    order = exp.Order(this=last.copy(), expressions=[item.copy() for item in node.expression.expressions])
    return aggregate(c, exp.Anonymous(this="listagg", expressions=[*(own.copy() for own in others), order]), "")


@compiles(exp.Filter)
def _filtered(c: Expressions, node: exp.Filter) -> Value:
    c.only(node, "this", "expression")
    return _with_filter(c, node, window=False)


def _with_filter(c: Expressions, node: exp.Filter, *, window: bool) -> Value:
    if not isinstance(node.this, exp.Anonymous) or function_name(node.this) not in _AGGREGATE_NAMES:
        raise not_supported(c.env.sql, node, "FILTER of this function")
    outer, c.inside_aggregate = c.inside_aggregate, not window or c.inside_aggregate
    test = c.as_type(c.compile(node.expression.this), BOOLEAN, node, "FILTER condition")
    c.inside_aggregate = outer
    return aggregate(c, node.this, f" FILTER (WHERE {test})", window=window)


@compiles(exp.Window)
def _window(c: Expressions, node: exp.Window) -> Value:
    c.only(node, "this", "partition_by", "order", "spec", "alias", "over")
    if c.env.clause not in {"SELECT", "ORDER BY"} or c.inside_aggregate:
        message = f"{c.env.clause} clause cannot contain aggregations, window functions or grouping operations"
        raise failed_at(c.env.sql, node, "EXPRESSION_NOT_SCALAR", message)
    function, nulls = node.this, ""
    if isinstance(function, (exp.IgnoreNulls, exp.RespectNulls)):
        nulls = " IGNORE NULLS" if isinstance(function, exp.IgnoreNulls) else ""
        function = function.this
    value = _window_value(c, function, nulls, node)
    over = _over(c, node)
    needs_cast = value.type == BIGINT or value.type.name == "decimal"
    sql = f"{value.sql} OVER ({over})"
    return Value(f"CAST({sql} AS {_sql_type(value.type)})" if needs_cast else sql, value.type)


def _window_value(c: Expressions, function: exp.Expr, nulls: str, node: exp.Expr) -> Value:
    if isinstance(function, exp.Filter) and not nulls:
        return _with_filter(c, function, window=True)
    if not isinstance(function, exp.Anonymous):
        raise not_supported(c.env.sql, node, "this window function")
    c.only(function, "this", "expressions")
    name = function_name(function)
    if name in _AGGREGATE_NAMES and not nulls:
        return aggregate(c, function, "", window=True)
    if name not in _WINDOW_NAMES or (nulls and name not in {"lag", "lead", "first_value", "last_value"}):
        raise failed_at(
            c.env.sql, node, "FUNCTION_NOT_FOUND", f"Window function '{name}' is not supported by local AWS"
        )
    value = c.called(name, functions.overloads(functions.WINDOWS, name), c.every(function.expressions), function)
    return Value(f"{value.sql[:-1]}{nulls})", value.type)


def _over(c: Expressions, node: exp.Window) -> str:
    alias = node.args.get("alias")
    if alias is not None and node.args.get("over"):
        named = c.env.windows.get(alias.name.lower())
        if named is None:
            raise failed_at(c.env.sql, node, "INVALID_WINDOW_REFERENCE", f"Cannot resolve WINDOW name {alias.name}")
        node = named
    parts = []
    if node.args.get("partition_by"):
        keys = c.every(node.args["partition_by"])
        if any(key.type.name == "json" for key in keys):
            raise not_supported(c.env.sql, node, "PARTITION BY of json")
        parts.append("PARTITION BY " + ", ".join(key.sql for key in keys))
    if node.args.get("order"):
        parts.append("ORDER BY " + c.ordering(node.args["order"].expressions))
    if node.args.get("spec"):
        parts.append(_frame(c, node.args["spec"]))
    return " ".join(parts)


def _frame(c: Expressions, spec: exp.WindowSpec) -> str:
    c.only(spec, "kind", "start", "start_side", "end", "end_side")
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
            raise not_supported(c.env.sql, spec, "this window frame")
    if kind not in {"ROWS", "RANGE"}:
        raise not_supported(c.env.sql, spec, f"a {kind} frame")
    return f"{kind} BETWEEN {bounds[0]} AND {bounds[1]}"


def is_aggregate(node: exp.Expr) -> bool:
    """Whether the node is a call of an aggregate function outside a window."""
    if not isinstance(node, exp.Anonymous) or function_name(node) not in _AGGREGATE_NAMES:
        return False
    above = node.parent.parent if isinstance(node.parent, (exp.Filter, exp.IgnoreNulls)) else node.parent
    under = node.parent if isinstance(node.parent, (exp.Filter, exp.IgnoreNulls)) else node
    return not (isinstance(above, exp.Window) and above.this is under)


def _inside(sql: str, *, distinct: bool, order: str) -> str:
    """Put DISTINCT and ORDER BY into the call that `sql` is."""
    if distinct:
        head, _, rest = sql.partition("(")
        sql = f"{head}(DISTINCT {rest}"
    return f"{sql[:-1]} ORDER BY {order})" if order else sql


def _sql_type(type_: Type) -> str:
    return "BIGINT" if type_ == BIGINT else f"DECIMAL({type_.numbers[0]},{type_.numbers[1]})"

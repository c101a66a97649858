"""The compiler of expressions: what every kind of node needs, and the list of the kinds.

`columns`, `conditions`, `calls` and `aggregates` hold the kinds of nodes; `expressions` puts them together. Each
function there says which parts of its node it understands. A node, a part or a function that is not known fails the
query by name: nothing is handed through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from sqlglot import exp

from ddb_pipeline.local_aws.athena import functions, special_forms
from ddb_pipeline.local_aws.athena.casts import coerce
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, failed_at, not_supported
from ddb_pipeline.local_aws.athena.operators import is_known_elsewhere
from ddb_pipeline.local_aws.athena.scope import Scope
from ddb_pipeline.local_aws.athena.signatures import Value, call
from ddb_pipeline.local_aws.athena.types import BOOLEAN, VARCHAR, Type


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
    """Compiles the expressions of one clause."""

    def __init__(self, environment: Environment) -> None:
        self.env = environment
        self.inside_aggregate = False
        # lambdas around the node that is being compiled: their variables are numbered by it
        self.lambda_depth = 0
        # columns met that are neither grouped nor inside an aggregate
        self.loose: list[exp.Expr] = []

    def value(self, node: exp.Expr) -> Value:
        """Compile an expression.

        Raises:
            QueryFailedError: It is wrong, or not on the list of what local AWS knows.
        """
        self.loose = []
        found = self.compile(node)
        if self.env.grouped is not None and self.loose:
            loose = self.loose[0]
            name = "*" if isinstance(loose, ResolvedColumn) else loose.sql().lower()
            raise failed_at(
                self.env.sql,
                self.loose[0],
                "EXPRESSION_NOT_AGGREGATE",
                f"'{name}' must be an aggregate expression or appear in GROUP BY clause",
            )
        return found

    def condition(self, node: exp.Expr) -> str:
        """Compile a condition of WHERE, HAVING or ON."""
        value = self.value(node)
        sql = coerce(value.sql, value.type, BOOLEAN)
        if sql is None:
            message = f"{self.env.clause} clause must evaluate to a boolean: actual type {value.type}"
            raise failed_at(self.env.sql, node, "TYPE_MISMATCH", message)
        return sql

    def compile(self, node: exp.Expr) -> Value:
        """Compile a node of an expression; the kinds that are known are those in `COMPILERS`."""
        compile_node = COMPILERS.get(type(node))
        if compile_node is None:
            raise not_supported(self.env.sql, node, f"{node.key.upper()} syntax")
        marks = len(self.loose)
        value = compile_node(self, node)
        if self.env.grouped is not None and value.sql in self.env.grouped:
            del self.loose[marks:]
        return value

    def only(self, node: exp.Expr, *known: str) -> None:
        """Refuse a node that has other parts than the known ones."""
        for key, part in node.args.items():
            if part and key not in known:
                raise not_supported(self.env.sql, node, f"{key.replace('_', ' ').upper()} in {node.key.upper()}")

    def every(self, nodes: Sequence[exp.Expr]) -> list[Value]:
        """Compile several nodes."""
        return [self.compile(node) for node in nodes]

    def mismatch(self, node: exp.Expr, message: str) -> QueryFailedError:
        """Make a TYPE_MISMATCH of a place."""
        return failed_at(self.env.sql, node, "TYPE_MISMATCH", message)

    def checked(self, value: Value | None, node: exp.Expr, operator: str, *operands: Value) -> Value:
        """Return the value; where it is None, fail because the operator does not take these operands."""
        if value is None:
            shown = f" {operator} ".join(str(operand.type) for operand in operands)
            if is_known_elsewhere(operator, operands[0].type, operands[-1].type):
                raise not_supported(self.env.sql, node, f"the operator {shown}")
            raise self.mismatch(node, f"Cannot apply operator: {shown}")
        return value

    def as_type(self, value: Value, type_: Type, node: exp.Expr, what: str) -> str:
        """Convert a value as Trino does unasked, or fail."""
        sql = coerce(value.sql, value.type, type_)
        if sql is None:
            raise self.mismatch(node, f"{what} must evaluate to a {type_} (actual: {value.type})")
        return sql

    def subquery(self, node: exp.Expr) -> tuple[str, list[Type]]:
        """Compile a subquery to its SQL and the types of its columns."""
        return self.env.subquery(node, self.env.scope)

    def unified(self, values: list[Value], node: exp.Expr, what: str) -> tuple[list[str], Type]:
        """Convert values to their common type, or fail."""
        converted, type_ = special_forms.unify(tuple(values))
        if type_ is None:
            raise self.mismatch(node, f"{what} must be the same type or coercible to a common type")
        return converted, type_

    def called(self, name: str, found: list[functions.Function], arguments: list[Value], node: exp.Expr) -> Value:
        """Compile the call of a listed function."""
        value = call(found, arguments)
        if value is None:
            raise self.unexpected(name, node, arguments)
        return value if value.type != Type("varchar", (0,)) else Value(value.sql, VARCHAR)

    def unexpected(self, name: str, node: exp.Expr, arguments: list[Value]) -> QueryFailedError:
        """Make the error of a call that no signature fits."""
        shown = ", ".join(str(argument.type) for argument in arguments)
        message = f"Unexpected parameters ({shown}) for function {name}, as far as local AWS knows it"
        return failed_at(self.env.sql, node, "FUNCTION_NOT_FOUND", message)

    def ordering(self, items: Sequence[exp.Expr]) -> str:
        """Compile the items of an ORDER BY inside a function or window."""
        parts = []
        for item in items:
            self.only(item, "this", "desc", "nulls_first")
            value = self.compile(item.this)
            if value.type.parts or value.type.name == "json":
                raise not_supported(self.env.sql, item, f"ORDER BY of {value.type}")
            parts.append(f"{value.sql} {direction(item)}")
        return ", ".join(parts)


NodeCompiler = TypeVar("NodeCompiler", bound=Callable[[Expressions, Any], Value])
COMPILERS: dict[type[exp.Expr], Callable[[Expressions, Any], Value]] = {}
"""Kinds of syntax nodes that are known, and what compiles each. Subclasses of a kind are not known by it."""


def compiles(*kinds: type[exp.Expr]) -> Callable[[NodeCompiler], NodeCompiler]:
    """Enter a function as the compiler of these kinds of nodes."""

    def enter(function: NodeCompiler) -> NodeCompiler:
        COMPILERS.update(dict.fromkeys(kinds, function))
        return function

    return enter


def direction(item: exp.Expr) -> str:
    """ASC or DESC, and where NULLs go: last in both directions unless the query says otherwise (Trino's SELECT)."""
    nulls = "FIRST" if item.args.get("nulls_first") else "LAST"
    return f"{'DESC' if item.args.get('desc') else 'ASC'} NULLS {nulls}"


def function_name(node: exp.Anonymous) -> str:
    """Lower-case name of a called function."""
    name = node.this.name if isinstance(node.this, exp.Expr) else str(node.this)
    return name.lower()

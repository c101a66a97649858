"""One SELECT: its FROM, WHERE, GROUP BY, columns, ORDER BY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported
from ddb_pipeline.local_aws.athena.expressions import Environment, Expressions, ResolvedColumn, direction, is_aggregate
from ddb_pipeline.local_aws.athena.grouping import GroupCompiler, KeySet, group_by
from ddb_pipeline.local_aws.athena.ordering import limit, output_place
from ddb_pipeline.local_aws.athena.pushdown import origins_of, push_down
from ddb_pipeline.local_aws.athena.relations import Field, Relation
from ddb_pipeline.local_aws.athena.scope import Column, Scope
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.sources import Source, SourceCompiler
from ddb_pipeline.local_aws.athena.types import JSON, Type

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.athena.query import CommonTables, QueryCompiler

_KNOWN = {
    "expressions", "from_", "joins", "where", "group", "having", "distinct", "order", "limit", "offset", "with_",
    "windows",
}  # fmt: skip


class SelectCompiler:
    """Compiles one SELECT."""

    def __init__(self, query: QueryCompiler, node: exp.Select, parent: Scope | None, tables: CommonTables) -> None:
        self._query = query
        self._node = node
        self._parent = parent
        self._tables = tables
        self._grouped: frozenset[str] | None = None

    def compile(self) -> Relation:
        """Compile it.

        Raises:
            QueryFailedError: It is wrong, or uses what local AWS does not know.
        """
        node, sql = self._node, self._query.sql
        for key, part in node.args.items():
            if part and key not in _KNOWN:
                raise not_supported(sql, node, f"{key.strip('_').upper()} in SELECT")
        source = SourceCompiler(self._query, self._parent, self._tables).compile(node)
        self._scope = Scope(source.columns, self._parent)
        where = self._where(source)
        self._items = self._expand(source.columns)
        self._grouped = self._group_keys()
        values = [self._value(item, "SELECT") for item, _ in self._items]
        fields = [Field(name, value.type) for value, (_, name) in zip(values, self._items, strict=True)]
        distinct = self._distinct(fields)
        clauses = [f"SELECT {distinct}" + ", ".join(f"{value.sql} AS c{i}" for i, value in enumerate(values, 1))]
        if source.sql:
            clauses.append(f"FROM {source.sql}")
        clauses += [where, group_by(self._sets) if self._sets else "", self._having()]
        clauses.append(self._order(fields, values, distinct=bool(distinct)))

        origins = origins_of(node, source.columns, [value.sql for value in values])
        return Relation(" ".join(filter(None, clauses)) + limit(sql, node), tuple(fields), origins)

    def _expressions(self, clause: str, *, scope: Scope | None = None) -> Expressions:
        def subquery(node: exp.Expr, own: Scope) -> tuple[str, list[Type]]:
            relation = self._query.query(node, own, self._tables)
            return relation.sql, [field.type for field in relation.fields]

        windows = {window.this.name.lower(): window for window in self._node.args.get("windows") or []}
        grouped = self._grouped if clause in {"SELECT", "HAVING", "ORDER BY"} else None
        return Expressions(
            Environment(self._query.sql, self._query.started, scope or self._scope, subquery, grouped, clause, windows)
        )

    def _value(self, node: exp.Expr, clause: str) -> Value:
        return self._expressions(clause).value(node)

    # FROM and WHERE

    def _where(self, source: Source) -> str:
        where = self._node.args.get("where")
        if where is None:
            return ""
        push_down(where.this, source.columns, self._condition_in)
        return f"WHERE {self._expressions('WHERE').condition(where.this)}"

    def _condition_in(self, node: exp.Expr, scope: Scope) -> str:
        return self._expressions("WHERE", scope=scope).condition(node)

    # SELECT list

    def _expand(self, columns: Sequence[Column]) -> list[tuple[exp.Expr, str | None]]:
        """Expand `*` and name the items. A column of `*` is a node that stands for it."""
        items: list[tuple[exp.Expr, str | None]] = []
        for item in self._node.expressions:
            star = item if isinstance(item, exp.Star) else item.this if isinstance(item, exp.Column) else None
            if isinstance(star, exp.Star):
                if any(part for part in star.args.values()):
                    raise not_supported(self._query.sql, item, "* with EXCEPT or REPLACE")
                items += self._star(item, columns)
            elif isinstance(item, exp.Alias):
                items.append((item.this, item.alias.lower()))
            elif isinstance(item, exp.Aliases):
                raise not_supported(self._query.sql, item, "several aliases")
            else:
                items.append((item, _own_name(item)))
        return items

    def _star(self, item: exp.Expr, columns: Sequence[Column]) -> list[tuple[exp.Expr, str | None]]:
        qualifier = item.args["table"].name.lower() if isinstance(item, exp.Column) and item.args.get("table") else None
        if isinstance(item, exp.Column) and item.args.get("db"):
            raise not_supported(self._query.sql, item, "db.table.*")
        columns = [column for column in columns if column.in_star]
        chosen = [c for c in columns if c.qualifier == qualifier] if qualifier else [c for c in columns if not c.hidden]
        if qualifier and not chosen:
            raise failed_at(
                self._query.sql, item, "INVALID_COLUMN_REFERENCE", f"Unable to resolve reference {qualifier}.*"
            )
        if not columns:
            raise failed_at(
                self._query.sql, item, "COLUMN_NOT_FOUND", "SELECT * not allowed in queries without FROM clause"
            )
        return [(ResolvedColumn(sql=column.sql, type_=column.type), column.name) for column in chosen]

    def _distinct(self, fields: Sequence[Field]) -> str:
        distinct = self._node.args.get("distinct")
        if not distinct:
            return ""
        if distinct.args.get("on") or distinct.args.get("expressions"):
            raise not_supported(self._query.sql, self._node, "DISTINCT ON")
        if any(field.type == JSON for field in fields):
            raise not_supported(self._query.sql, self._node, "DISTINCT of json")
        return "DISTINCT "

    # GROUP BY

    def _group_keys(self) -> frozenset[str] | None:
        """Compiled keys; None: the SELECT is not grouped."""
        self._grouped = None
        group = self._node.args.get("group")
        self._sets: list[KeySet] = []
        if group is None:
            parts = [item for item, _ in self._items]
            parts += [clause for clause in (self._node.args.get("having"), self._node.args.get("order")) if clause]
            return frozenset() if any(_aggregates(part) for part in parts) or self._node.args.get("having") else None
        compiler = GroupCompiler(
            self._query.sql, [item for item, _ in self._items], lambda node: self._value(node, "GROUP BY")
        )
        self._sets = compiler.sets(group)
        return frozenset(sql for keys in self._sets for sql in keys)

    def _having(self) -> str:
        having = self._node.args.get("having")
        return f"HAVING {self._expressions('HAVING').condition(having.this)}" if having else ""

    # ORDER BY

    def _order(self, fields: Sequence[Field], values: Sequence[Value], *, distinct: bool) -> str:

        order = self._node.args.get("order")
        items = []
        for item in order.expressions if order else []:
            place = output_place(self._query.sql, item.this, [field.name for field in fields])
            if place is None:
                value = self._value(item.this, "ORDER BY")
                same = [i for i, own in enumerate(values, 1) if own.sql == value.sql]
                place = same[0] if same else None
                if place is None and distinct:
                    message = "For SELECT DISTINCT, ORDER BY expressions must appear in select list"
                    raise failed_at(self._query.sql, item, "EXPRESSION_NOT_IN_DISTINCT", message)
            else:
                value = values[place - 1]
            if value.type.parts or value.type == JSON:
                raise not_supported(self._query.sql, item, f"ORDER BY of {value.type}")
            items.append(f"{place or value.sql} {direction(item)}")
        return f"ORDER BY {', '.join(items)}" if items else ""


def _aggregates(node: exp.Expr) -> bool:
    """Whether an aggregate of this SELECT, not of a subquery, stands in the node."""
    if isinstance(node, exp.Query):
        return False
    return is_aggregate(node) or any(_aggregates(child) for child in node.iter_expressions())


def _own_name(item: exp.Expr) -> str | None:
    if isinstance(item, exp.Column):
        return str(item.this.name).lower()
    if isinstance(item, exp.Dot) and isinstance(item.expression, exp.Identifier):
        return item.expression.name.lower()
    return None

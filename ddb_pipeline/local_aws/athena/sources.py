"""What a SELECT reads: tables, subqueries, joins and UNNEST."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported
from ddb_pipeline.local_aws.athena.operators import compare
from ddb_pipeline.local_aws.athena.pushdown import push_down
from ddb_pipeline.local_aws.athena.relations import Relation, Scan
from ddb_pipeline.local_aws.athena.scope import Column, Scope, find
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.special_forms import unify
from ddb_pipeline.local_aws.athena.types import BIGINT, VARCHAR, Type, array

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.athena.query import CommonTables, QueryCompiler

_KINDS = {"": "INNER", "INNER": "INNER", "OUTER": "INNER", "CROSS": "CROSS"}


@dataclass(frozen=True)
class Source:
    """A compiled FROM.

    Attributes:
        sql: What stands after FROM; empty for a SELECT without one.
        columns: Columns that can be named.
    """

    sql: str
    columns: tuple[Column, ...]


class SourceCompiler:
    """Compiles the FROM of one SELECT."""

    def __init__(self, query: QueryCompiler, parent: Scope | None, tables: CommonTables) -> None:
        self._query = query
        self._parent = parent
        self._tables = tables

    def compile(self, node: exp.Select) -> Source:
        """Compile FROM and its joins.

        Raises:
            QueryFailedError: It is wrong, or uses what local AWS does not know.
        """
        from_ = node.args.get("from_")
        if from_ is None:
            return Source("", ())
        source = self._with_joins(from_.this)
        for join in node.args.get("joins") or []:
            source = self._join(source, join)
        return source

    def _with_joins(self, node: exp.Expr) -> Source:
        """Compile a relation with the joins that sqlglot hangs onto it (those inside parentheses)."""
        source = self._relation(node)
        for join in node.args.get("joins") or []:
            source = self._join(source, join)
        return source

    def _relation(self, node: exp.Expr) -> Source:
        if isinstance(node, exp.Unnest):
            return self._unnest(Source("", ()), node, keep_empty=False)
        if isinstance(node, exp.Table):
            self._refuse_others(node, {"this", "db", "catalog", "alias", "joins"})
            if not isinstance(node.this, exp.Identifier):
                raise not_supported(self._query.sql, node, "a table function")
            relation, scan = self._query.table(node, self._tables)
            return self._named(relation, node, scan)
        if isinstance(node, exp.Values):
            return self._named(self._query.values(node, self._parent), node, None)
        if isinstance(node, exp.Subquery):
            if isinstance(node.this, exp.Table):
                if node.args.get("alias"):
                    raise not_supported(self._query.sql, node, "an alias of joins in parentheses")
                return self._with_joins(node.this)
            inner = exp.Subquery(this=node.this, **{k: node.args.get(k) for k in ("with_", "order", "limit", "offset")})
            self._refuse_others(node, {"this", "with_", "order", "limit", "offset", "alias", "joins"})
            return self._named(self._query.query(inner, self._parent, self._tables), node, None)
        if isinstance(node, exp.Lateral):
            raise not_supported(self._query.sql, node, "LATERAL")
        raise not_supported(self._query.sql, node, f"{node.key.upper()} in FROM")

    def _refuse_others(self, node: exp.Expr, known: set[str]) -> None:
        extra = [key for key, part in node.args.items() if part and key not in known]
        if extra:
            raise not_supported(self._query.sql, node, f"{extra[0].strip('_').upper()} in FROM")

    def _named(self, relation: Relation, node: exp.Expr, scan: Scan | None) -> Source:
        alias, own = self._query.alias(), node.args.get("alias")
        qualifier, database = None, None
        names = [field.name for field in relation.fields]
        if own is not None and own.this:
            qualifier = own.name.lower()
        elif isinstance(node, exp.Table):
            qualifier, database = node.name.lower(), (node.db.lower() or self._query.database)
        if own is not None and own.columns:
            if len(own.columns) != len(names):
                message = f"Column alias list has {len(own.columns)} entries but '{qualifier}' has {len(names)} columns"
                raise failed_at(self._query.sql, node, "MISMATCHED_COLUMN_ALIASES", message)
            names = [column.name.lower() for column in own.columns]
        columns = tuple(
            Column(name, field.type, f"{alias}.c{i}", qualifier, database, origins=relation.origin(i))
            for i, (name, field) in enumerate(zip(names, relation.fields, strict=True), 1)
        )
        if scan is not None:
            scan.alias, place = alias, scan.table.path_place
            columns += (Column("$path", VARCHAR, f"{alias}.c{place}", qualifier, database, in_star=False),)
        sql = scan.name if scan is not None else f"({relation.sql})"
        return Source(f"{sql} AS {alias}", columns)

    def _join(self, left: Source, join: exp.Join) -> Source:
        self._refuse_others(join, {"this", "kind", "side", "on", "using"})
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        if kind not in _KINDS or (side and side not in {"LEFT", "RIGHT", "FULL"}):
            raise not_supported(self._query.sql, join, f"{side} {kind} JOIN".strip())
        on, using = join.args.get("on"), join.args.get("using")
        if isinstance(join.this, exp.Unnest):
            return self._join_unnest(left, join, side, on)
        right = self._with_joins(join.this)
        # columns of a side that is completed with NULLs: a condition on them may hold for rows that were none
        own = [left.columns if side in {"", "LEFT"} else _without_origins(left.columns)]
        own.append(right.columns if side in {"", "RIGHT"} else _without_origins(right.columns))
        columns = (*own[0], *own[1])
        if using:
            sides = (replace(left, columns=own[0]), replace(right, columns=own[1]))
            return self._join_using(*sides, using, f"{side or 'INNER'} JOIN")
        if on is None:
            if side or kind in {"INNER", "OUTER"}:
                raise failed_at(self._query.sql, join, "SYNTAX_ERROR", "a JOIN needs ON or USING")
            return Source(f"{left.sql} CROSS JOIN {right.sql}", columns)
        condition = self._query.expressions(Scope(columns, self._parent), "JOIN", self._tables).condition(on)
        if side != "FULL":
            # of an outer join, ON chooses rows of the side that may be completed with NULLs
            kept = {"": columns, "LEFT": right.columns, "RIGHT": left.columns}[side]
            push_down(on, kept, self._condition_in)
        return Source(f"{left.sql} {side or 'INNER'} JOIN ({right.sql}) ON {condition}", columns)

    def _condition_in(self, node: exp.Expr, scope: Scope) -> str:
        return self._query.expressions(scope, "JOIN", self._tables).condition(node)

    def _join_using(self, left: Source, right: Source, names: list[exp.Expr], kind: str) -> Source:
        tests, merged, used = [], [], []
        for identifier in names:
            name = identifier.name.lower()
            found = [find(Scope(side.columns), [name]) for side in (left, right)]
            pair = [side.candidates[0] for side in found if side is not None and len(side.candidates) == 1]
            if len(pair) != len(found):
                message = f"Column '{name}' is missing from one side of the join, or ambiguous"
                raise failed_at(self._query.sql, identifier, "COLUMN_NOT_FOUND", message)
            values = [Value(column.sql, column.type) for column in pair]
            test = compare("=", values[0], values[1])
            converted, type_ = unify(tuple(values))
            if test is None or type_ is None:
                message = f"Column types of join key '{name}' cannot be compared: {pair[0].type}, {pair[1].type}"
                raise failed_at(self._query.sql, identifier, "TYPE_MISMATCH", message)
            tests.append(test.sql)
            merged.append(Column(name, type_, f"coalesce({', '.join(converted)})"))
            used += [column.sql for column in pair]
        rest = [
            replace(column, hidden=True) if column.sql in used else column for column in (*left.columns, *right.columns)
        ]
        # Trino: a column of USING cannot be read through one of its tables any more
        kept = [column for column in rest if not column.hidden]
        return Source(f"{left.sql} {kind} ({right.sql}) ON {' AND '.join(tests)}", (*merged, *kept))

    # UNNEST

    def _join_unnest(self, left: Source, join: exp.Join, side: str, on: exp.Expr | None) -> Source:
        if side not in {"", "LEFT"} or join.args.get("using"):
            raise not_supported(self._query.sql, join, f"{side} JOIN of UNNEST")
        if (side == "LEFT") != (on is not None) or (on is not None and not (isinstance(on, exp.Boolean) and on.this)):
            raise not_supported(self._query.sql, join, "JOIN of UNNEST other than CROSS JOIN or LEFT JOIN ... ON TRUE")
        return self._unnest(left, join.this, keep_empty=side == "LEFT")

    def _unnest(self, left: Source, node: exp.Unnest, *, keep_empty: bool) -> Source:
        """Unnest in the SELECT list of a query over what stands left: there DuckDB needs no join."""
        self._refuse_others(node, {"expressions", "alias", "offset"})
        compiler = self._query.expressions(Scope(left.columns, self._parent), "UNNEST", self._tables)
        given = [compiler.value(argument) for argument in node.expressions]
        wrong = [value.type for value in given if value.type.name not in {"array", "map"}]
        if wrong:
            raise not_supported(self._query.sql, node, f"UNNEST of {wrong[0]}")
        arrays = [own for value in given for own in _as_arrays(value)]
        longest = f"greatest({', '.join(f'coalesce(len({value.sql}), 0)' for value in arrays)})"
        items = [f"{column.sql} AS c{i}" for i, column in enumerate(left.columns, 1)]
        for i, value in enumerate(arrays, 1):
            filled = f"CASE WHEN {longest} = 0 THEN [NULL] ELSE {value.sql} END" if keep_empty and i == 1 else value.sql
            items.append(f"unnest({filled}) AS u{i}")
        offset = node.args.get("offset")
        if offset:
            numbers = f"generate_series(1, {longest})"
            if keep_empty:
                numbers = f"CASE WHEN {longest} = 0 THEN [NULL] ELSE {numbers} END"
            items.append(f"unnest({numbers}) AS n")
        alias = self._query.alias()
        columns = [replace(column, sql=f"{alias}.c{i}") for i, column in enumerate(left.columns, 1)]
        columns += self._unnested(node, given, alias)
        origin = f" FROM {left.sql}" if left.sql else ""
        return Source(f"(SELECT {', '.join(items)}{origin}) AS {alias}", tuple(columns))

    def _unnested(self, node: exp.Unnest, given: list[Value], alias: str) -> list[Column]:
        found: list[tuple[str | None, Type, str]] = []
        places = itertools.count(1)
        for value in given:
            element = value.type.parts[0]
            if value.type.name == "array" and element.name == "row":
                i = next(places)
                found += [
                    (name, part, f"struct_extract({alias}.u{i}, 'f{j}')")
                    for j, (name, part) in enumerate(zip(element.names, element.parts, strict=True), 1)
                ]
            else:
                found += [(None, part, f"{alias}.u{next(places)}") for part in value.type.parts]
        own, offset = node.args.get("alias"), node.args.get("offset")
        names = [column.name.lower() for column in own.columns] if own else []
        if offset:
            found.append((None, BIGINT, f"{alias}.n"))
            if isinstance(offset, exp.Identifier):
                # sqlglot takes the last column alias for the ordinality
                names.append(offset.name.lower())
        if names and len(names) != len(found):
            message = f"Column alias list has {len(names)} entries but relation has {len(found)} columns available"
            raise failed_at(self._query.sql, node, "MISMATCHED_COLUMN_ALIASES", message)
        qualifier = own.name.lower() if own is not None and own.this else None
        return [
            Column(names[i] if names else name, type_, sql, qualifier) for i, (name, type_, sql) in enumerate(found)
        ]


def _as_arrays(value: Value) -> list[Value]:
    """A map is unnested as its keys beside its values."""
    if value.type.name == "array":
        return [value]
    key, own = value.type.parts
    return [Value(f"map_keys({value.sql})", array(key)), Value(f"map_values({value.sql})", array(own))]


def _without_origins(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(replace(column, origins=()) for column in columns)

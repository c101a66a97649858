"""Queries of Athena's SQL, compiled to DuckDB SQL: WITH, SELECT, VALUES, set operations.

Every relation gets an alias and column names of our own, so that DuckDB never resolves a name that a user wrote.
"""

# ruff: noqa: S608 - SQL is what this module makes; no text of a user is in it but through casts.text

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlglot import exp

from ddb_pipeline.local_aws.athena.casts import coerce, text
from ddb_pipeline.local_aws.athena.dialect import parse_statement
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, failed_at, not_supported
from ddb_pipeline.local_aws.athena.expressions import Environment, Expressions, direction
from ddb_pipeline.local_aws.athena.ordering import limit, output_place
from ddb_pipeline.local_aws.athena.pushdown import united
from ddb_pipeline.local_aws.athena.relations import Field, Listing, Origins, Relation, Scan, Table, View
from ddb_pipeline.local_aws.athena.scope import Scope
from ddb_pipeline.local_aws.athena.select import SelectCompiler
from ddb_pipeline.local_aws.athena.special_forms import unify
from ddb_pipeline.local_aws.athena.types import JSON, MIXED, MONTHS, UTC, Type, common_type, duckdb_type
from ddb_pipeline.local_aws.athena.zones import local

MAX_VIEW_DEPTH = 32

CommonTables = Mapping[str, "CommonTable"]


@dataclass(frozen=True)
class CommonTable:
    """An entry of WITH. Trino computes it anew wherever it is named, so it is compiled anew."""

    query: exp.Expr
    names: tuple[str, ...]
    visible: CommonTables


@lru_cache(maxsize=32)
def parsed_view(sql: str) -> exp.Expr:
    """Views are asked again and again, and one with a hundred typed columns takes half a second to parse.

    Queries share the tree: compiling reads it and changes nothing.
    """
    return parse_statement(sql)


class QueryCompiler:
    """Compiles one query and all views it uses.

    Args:
        sql: Its text, for the places in messages.
        database: Database of names without one.
        started: Start of the query, UTC: what `now()` is.
        find: Looks a table or view up, by database and name, both lower case; None: there is none.
    """

    def __init__(
        self,
        sql: str,
        database: str | None,
        started: datetime,
        find: Callable[[str, str], Table | View | Listing | None],
    ) -> None:
        self.sql = sql
        self.database = database
        self.started = started
        self.find = find
        self.scans: list[Scan] = []
        self._numbers = itertools.count(1)
        self._depth = 0

    def compile(self, node: exp.Expr) -> Relation:
        """Compile the whole query.

        Raises:
            QueryFailedError: It is wrong, or uses what local AWS does not know.
        """
        relation = self.query(node, None, {})
        for field in relation.fields:
            if not _can_be_shown(field.type):
                raise not_supported(self.sql, node, f"a result column of type {field.type}")
        if any(field.type == JSON or field.type.zone != UTC for field in relation.fields):
            return self._shown(relation)
        return relation

    def _shown(self, relation: Relation) -> Relation:
        """Hold JSON in the result to the text that Athena is sure to show, and turn instants to their zones' times."""
        alias = self.alias()
        columns = []
        for i, field in enumerate(relation.fields, 1):
            own = f"{alias}.c{i}"
            shown = f"athena_json_shown({own})" if field.type == JSON else local(own, field.type)
            columns.append(f"{shown} AS c{i}")
        return Relation(f"SELECT {', '.join(columns)} FROM ({relation.sql}) AS {alias}", relation.fields)

    def alias(self) -> str:
        """A relation name that was not used yet."""
        return f"r{next(self._numbers)}"

    def query(self, node: exp.Expr, parent: Scope | None, tables: CommonTables) -> Relation:
        """Compile a query expression in the scope around it."""
        if isinstance(node, exp.Subquery):
            if any(part for key, part in node.args.items() if key not in {"this", "with_"} and part):
                # (SELECT ...) ORDER BY ...: modifiers of the parentheses
                return self._ordered(node, self.query(node.this, parent, self._with(node, tables)))
            return self.query(node.this, parent, self._with(node, tables))
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, parent, self._with(node, tables))
        if isinstance(node, exp.Values):
            return self._ordered(node, self.values(node, parent))
        if isinstance(node, exp.Select):
            return SelectCompiler(self, node, parent, self._with(node, tables)).compile()
        raise not_supported(self.sql, node, f"{node.key.upper()} as a query")

    def expressions(self, scope: Scope, clause: str, tables: CommonTables) -> Expressions:
        """Make a compiler of expressions outside a SELECT."""

        def subquery(node: exp.Expr, own: Scope) -> tuple[str, list[Type]]:
            relation = self.query(node, own, tables)
            return relation.sql, [field.type for field in relation.fields]

        return Expressions(Environment(self.sql, self.started, scope, subquery, clause=clause))

    def _with(self, node: exp.Expr, tables: CommonTables) -> CommonTables:
        with_ = node.args.get("with_")
        if with_ is None:
            return tables
        if with_.args.get("recursive"):
            raise not_supported(self.sql, node, "WITH RECURSIVE")
        visible = dict(tables)
        for entry in with_.expressions:
            if any(part for key, part in entry.args.items() if key not in {"this", "alias"} and part):
                raise not_supported(self.sql, entry, "this form of WITH")
            alias = entry.args["alias"]
            names = tuple(column.name.lower() for column in alias.columns)
            visible[alias.name.lower()] = CommonTable(entry.this, names, dict(visible))
        return visible

    def values(self, node: exp.Values, parent: Scope | None) -> Relation:
        """Compile VALUES."""
        compiler = self.expressions(Scope((), parent), "VALUES", {})
        rows = [
            [compiler.value(cell) for cell in (line.expressions if isinstance(line, exp.Tuple) else [line])]
            for line in node.expressions
        ]
        if len({len(line) for line in rows}) != 1:
            raise failed_at(self.sql, node, "TYPE_MISMATCH", "Values rows have mismatched sizes")
        columns: list[list[str]] = []
        fields = []
        for column in zip(*rows, strict=True):
            converted, type_ = unify(column)
            if type_ is None:
                types = ", ".join(str(cell.type) for cell in column)
                raise failed_at(self.sql, node, "TYPE_MISMATCH", f"Values rows have mismatched types: {types}")
            columns.append(converted)
            fields.append(Field(None, type_))
        lines = ", ".join(f"({', '.join(line)})" for line in zip(*columns, strict=True))
        names = ", ".join(f"c{i}" for i in range(1, len(fields) + 1))
        return Relation(f"SELECT * FROM (VALUES {lines}) AS {self.alias()}({names})", tuple(fields))

    def table(self, node: exp.Table, tables: CommonTables) -> tuple[Relation, Scan | None]:
        """Compile a name in FROM: an entry of WITH, a view or a table."""
        name, database = node.name.lower(), node.db.lower()
        catalog = node.catalog.lower()
        if not database and name in tables:
            return self._common_table(node, tables[name]), None
        if catalog not in {"", "awsdatacatalog"}:
            raise failed_at(self.sql, node, "CATALOG_NOT_FOUND", f"Catalog '{catalog}' does not exist")
        database = database or self.database or ""
        if not database:
            raise failed_at(
                self.sql, node, "MISSING_SCHEMA_NAME", "Schema must be specified when session schema is not set"
            )
        try:
            found = self.find(database, name)
        except QueryFailedError as error:
            kind, _, message = str(error).partition(": ")
            raise failed_at(self.sql, node, kind, message) from None
        if found is None:
            full = f"awsdatacatalog.{database}.{name}"
            raise failed_at(self.sql, node, "TABLE_NOT_FOUND", f"Table '{full}' does not exist")
        if isinstance(found, View):
            return self._view(found, node), None
        if isinstance(found, Listing):
            return self._listing(found), None
        scan = Scan(f"scan_{len(self.scans) + 1}", found)
        self.scans.append(scan)
        own: Origins = tuple(((scan, place),) for place in range(1, len(found.partition_columns) + 1))
        origins = (*(() for _ in found.columns), *own)
        return Relation(f"SELECT * FROM {scan.name}", (*found.columns, *found.partition_columns), origins), scan

    def _listing(self, listing: Listing) -> Relation:
        """Rows that are known, as SQL."""
        types = [duckdb_type(field.type) for field in listing.columns]
        rows = listing.rows or ((None,) * len(types),)
        lines = ", ".join(
            f"({', '.join(f'CAST({_constant(value)} AS {type_})' for value, type_ in zip(row, types, strict=True))})"
            for row in rows
        )
        names = ", ".join(f"c{i}" for i in range(1, len(types) + 1))
        kept = "" if listing.rows else " WHERE false"
        return Relation(f"SELECT * FROM (VALUES {lines}) AS {self.alias()}({names}){kept}", listing.columns)

    def _common_table(self, node: exp.Expr, entry: CommonTable) -> Relation:
        relation = self.query(entry.query, None, entry.visible)
        if not entry.names:
            return relation
        if len(entry.names) != len(relation.fields):
            message = (
                f"Column alias list has {len(entry.names)} entries but relation has {len(relation.fields)} columns"
            )
            raise failed_at(self.sql, node, "MISMATCHED_COLUMN_ALIASES", message)
        named = zip(entry.names, relation.fields, strict=True)
        return Relation(relation.sql, tuple(Field(name, field.type) for name, field in named), relation.origins)

    def _view(self, view: View, node: exp.Expr) -> Relation:
        if self._depth >= MAX_VIEW_DEPTH:
            raise failed_at(self.sql, node, "VIEW_IS_RECURSIVE", "Statement would create a recursive view")
        # the view's text has places and a database of its own
        outer, self._depth = (self.sql, self.database), self._depth + 1
        self.sql, self.database = view.sql, view.database
        try:
            relation = self.query(parsed_view(view.sql), None, {})
        except QueryFailedError as error:
            full = f"awsdatacatalog.{view.database}.{view.name}"
            raise QueryFailedError("INVALID_VIEW", f"Failed analyzing stored view '{full}': {error}") from None
        finally:
            self.sql, self.database = outer
            self._depth -= 1
        return self._promised(view, relation, node)

    def _promised(self, view: View, relation: Relation, node: exp.Expr) -> Relation:
        """Hold the view's query to the columns that were stored when it was made, as Trino does."""
        full = f"awsdatacatalog.{view.database}.{view.name}"
        alias = self.alias()
        converted = []
        if len(view.columns) == len(relation.fields):
            for place, (stored, found) in enumerate(zip(view.columns, relation.fields, strict=True), 1):
                sql = coerce(f"{alias}.c{place}", found.type, stored.type)
                if sql is not None and stored.name == found.name:
                    converted.append(f"{sql} AS c{place}")
        if len(converted) != len(relation.fields):
            message = f"View '{full}' is stale or in invalid state: its columns have changed; it must be re-created"
            raise failed_at(self.sql, node, "VIEW_IS_STALE", message)
        return Relation(
            f"SELECT {', '.join(converted)} FROM ({relation.sql}) AS {alias}", view.columns, relation.origins
        )

    def _set_operation(self, node: exp.SetOperation, parent: Scope | None, tables: CommonTables) -> Relation:
        allowed = {"this", "expression", "distinct", "with_", "order", "limit", "offset"}
        extra = [key for key, part in node.args.items() if part and key not in allowed]
        if extra:
            raise not_supported(self.sql, node, f"{extra[0].upper()} in {node.key.upper()}")
        left, right = self.query(node.this, parent, tables), self.query(node.expression, parent, tables)
        name = node.key.upper()
        if len(left.fields) != len(right.fields):
            message = f"{name} query has different number of fields: {len(left.fields)}, {len(right.fields)}"
            raise failed_at(self.sql, node, "TYPE_MISMATCH", message)
        fields = []
        for place, (a, b) in enumerate(zip(left.fields, right.fields, strict=True), 1):
            common = common_type(a.type, b.type)
            if common is None:
                message = f"column {place} in {name} query has incompatible types: {a.type}, {b.type}"
                raise failed_at(self.sql, node, "TYPE_MISMATCH", message)
            if common == JSON:
                raise not_supported(self.sql, node, f"{name} of json")
            fields.append(Field(a.name, common))
        sides = [self._converted(side, fields) for side in (left, right)]
        all_ = "" if node.args.get("distinct") else " ALL"
        origins = united(left, right) if isinstance(node, exp.Union) else ()
        return self._ordered(node, Relation(f"({sides[0]}) {name}{all_} ({sides[1]})", tuple(fields), origins))

    def _converted(self, relation: Relation, fields: Sequence[Field]) -> str:
        alias = self.alias()
        columns = [
            f"{coerce(f'{alias}.c{i}', own.type, wanted.type)} AS c{i}"
            for i, (own, wanted) in enumerate(zip(relation.fields, fields, strict=True), 1)
        ]
        return f"SELECT {', '.join(columns)} FROM ({relation.sql}) AS {alias}"

    def _ordered(self, node: exp.Expr, relation: Relation) -> Relation:
        """Add ORDER BY (of result columns), LIMIT and OFFSET of a set operation or of parentheses."""
        if not any(node.args.get(key) for key in ("order", "limit", "offset")):
            return relation
        alias = self.alias()
        order = node.args.get("order")
        items = []
        for item in order.expressions if order else []:
            place = output_place(self.sql, item.this, [field.name for field in relation.fields])
            if place is None:
                raise not_supported(self.sql, item, "ORDER BY of an expression over a set operation")
            items.append(f"{place} {direction(item)}")
        ordering = f" ORDER BY {', '.join(items)}" if items else ""
        sql = f"SELECT * FROM ({relation.sql}) AS {alias}{ordering}{limit(self.sql, node)}"
        is_cut = node.args.get("limit") or node.args.get("offset")
        return Relation(sql, relation.fields, () if is_cut else relation.origins)


def _constant(value: str | int | None) -> str:
    return "NULL" if value is None else text(value) if isinstance(value, str) else str(value)


def _can_be_shown(type_: Type) -> bool:
    if type_ == MONTHS or type_.zone == MIXED:
        return False
    # how Athena shows JSON inside of arrays, maps and rows is not known
    return all(part != JSON and part.zone == UTC and _can_be_shown(part) for part in type_.parts)

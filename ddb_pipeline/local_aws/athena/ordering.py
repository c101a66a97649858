"""ORDER BY, LIMIT and OFFSET of a query's result."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from ddb_pipeline.local_aws.athena.errors import failed_at, not_supported


def output_place(sql: str, node: exp.Expr, names: Sequence[str | None]) -> int | None:
    """Place, from 1, of the result column that an ORDER BY item names by number or name; None: neither."""
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdecimal():
        place = int(node.name)
        if not 1 <= place <= len(names):
            raise failed_at(sql, node, "INVALID_COLUMN_REFERENCE", f"ORDER BY position {place} is not in select list")
        return place
    if isinstance(node, exp.Column) and not node.table and isinstance(node.this, exp.Identifier):
        places = [place for place, name in enumerate(names, 1) if name == node.name.lower()]
        if len(places) > 1:
            raise failed_at(sql, node, "AMBIGUOUS_NAME", f"Column '{node.name.lower()}' is ambiguous")
        return places[0] if places else None
    return None


def limit(sql: str, node: exp.Expr) -> str:
    """Compile LIMIT, FETCH FIRST and OFFSET, of whole numbers."""
    parts = ""
    bound = node.args.get("limit")
    if isinstance(bound, exp.Fetch):
        options = bound.args.get("limit_options")
        if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
            raise not_supported(sql, node, "FETCH FIRST with PERCENT or TIES")
        parts += f" LIMIT {_count(sql, bound.args.get('count'), 'FETCH FIRST')}"
    elif bound is not None and bound.expression.name.upper() != "ALL":
        parts += f" LIMIT {_count(sql, bound.expression, 'LIMIT')}"
    if node.args.get("offset"):
        parts += f" OFFSET {_count(sql, node.args['offset'].expression, 'OFFSET')}"
    return parts


def _count(sql: str, node: exp.Expr | None, clause: str) -> int:
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdecimal():
        raise not_supported(sql, node, f"{clause} of this")
    return int(node.name)

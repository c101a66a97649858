"""The typed columns of `latest_item_state`, held against the image of the same row."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ddb_pipeline.item_columns import ItemColumn
from ddb_pipeline.item_columns.expressions import ARRAY, decimal_scale, shown_types
from ddb_pipeline.sql_text import quote_identifier
from ddb_pipeline_tests.proof.delivered import Ask
from ddb_pipeline_tests.proof.held import expected_text, plain_text


def item_columns(ask: Ask, columns: Sequence[ItemColumn]) -> list[str]:
    """Each column shows its attribute, or NULL where the item has none or the value does not fit."""
    names = [quote_identifier(column.name) for column in columns]
    shown = [
        f"json_format(CAST({name} AS json))" if column.type == ARRAY else name
        for name, column in zip(names, columns, strict=True)
    ]
    wrong = []
    for image, *values in ask(f"SELECT {', '.join(['image', *shown])} FROM latest_item_state"):
        item = json.loads(image)
        for column, found in zip(columns, values, strict=True):
            value = _member(item, column.path)
            if not _is_shown(value, found, column):
                wrong.append(f"{column}: {found!r} for {value}")
    return wrong


def _member(item: dict[str, Any], path: Sequence[str]) -> dict[str, Any] | None:
    for name in path[:-1]:
        item = item.get(name, {}).get("M", {})
    return item.get(path[-1])


def _is_shown(value: dict[str, Any] | None, found: Any, column: ItemColumn) -> bool:
    ((tag, content),) = value.items() if value else [("", None)]
    if not value or tag not in shown_types(column):
        return found is None
    if column.type == "varchar" and tag not in {"S", "N", "B", "BOOL"}:
        return plain_text(found) == expected_text(value)
    return bool(found == _fitting(tag, content, column) if column.type != ARRAY else json.loads(found) == content)


def _fitting(tag: str, content: Any, column: ItemColumn) -> Any:
    """A value as a column of one value has it; None where it does not fit."""
    scale = decimal_scale(column.type)
    if scale is not None:
        whole, _, fraction = content.lstrip("-").partition(".")
        # a lone zero before the point takes no digit
        return Decimal(content) if len(fraction) <= scale and len(whole.lstrip("0")) <= 38 - scale else None
    if column.type == "bigint":
        return int(content) if "." not in content and -(2**63) <= int(content) < 2**63 else None
    if column.type == "varbinary":
        return base64.b64decode(content)
    return content if tag != "BOOL" or column.type == "boolean" else str(content).lower()

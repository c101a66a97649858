"""The oracle: what a scan of the table says, in a form that compares with the views.

Shares no code with the converter, so that a mistake there cannot hide here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ddb_pipeline.resources.athena import QueryResult

Ask = Callable[[str], QueryResult]
"""Asks Athena in the pipeline's database."""


def scan_items(client: Any, table: str) -> dict[str, Any]:
    """Return every item of the table by its key.

    Args:
        client: A boto3 DynamoDB client.
        table: Name of the table.

    Returns:
        Items as DynamoDB JSON with sets sorted, by the JSON text of their key attributes.
    """
    described = client.describe_table(TableName=table)["Table"]
    key_names = [key["AttributeName"] for key in described["KeySchema"]]
    items = {}
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            plain = {name: _json_value(value) for name, value in item.items()}
            items[key_text({name: plain[name] for name in key_names})] = plain
    return items


def key_text(key: dict[str, Any]) -> str:
    """Return key attributes in DynamoDB JSON as text that is the same however they were ordered."""
    return json.dumps(key, sort_keys=True, ensure_ascii=False)


def state_rows(ask: Ask) -> Sequence[Sequence[Any]]:
    """Return item_key and image of each row of latest_item_state."""
    return ask("SELECT item_key, image FROM latest_item_state").rows


def changes_counted(ask: Ask) -> int:
    """Return how many changes are in change_counts."""
    return int(ask("SELECT sum(changes) FROM change_counts").rows[0][0] or 0)


def differing_keys(table: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the keys of items that are not as the table has them.

    Of several rows of an item the last one counts: that there are several, `distinct_keys` shows.

    Args:
        table: What `scan_items` returned.
        rows: What `state_rows` returned.
    """
    state = {key_text(json.loads(key)): json.loads(image) for key, image, *_ in rows}
    return sorted(key for key in table.keys() | state.keys() if table.get(key) != state.get(key))


def distinct_keys(rows: Sequence[Sequence[Any]]) -> set[str]:
    """Return the keys that rows have, the first column of each being item_key: fewer than rows where one is doubled."""
    return {key_text(json.loads(key)) for key, *_ in rows}


def _json_value(value: dict[str, Any]) -> dict[str, Any]:
    """One typed value as boto3 returns it, as it stands in DynamoDB JSON."""
    ((tag, content),) = value.items()
    if tag == "B":
        return {tag: _base64(content)}
    if tag == "BS":
        return {tag: sorted(_base64(member) for member in content)}
    if tag in {"SS", "NS"}:
        return {tag: sorted(content)}
    if tag == "M":
        return {tag: {name: _json_value(member) for name, member in content.items()}}
    if tag == "L":
        return {tag: [_json_value(member) for member in content]}
    return {tag: content}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")

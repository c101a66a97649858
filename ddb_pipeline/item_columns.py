"""Attributes of items as typed columns of `latest_item_state`. Pure; needs no client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ItemColumn:
    """An attribute, or a member of a map in one, as a typed column.

    Attributes:
        name: Name of the column; stays the same from run to run.
        type: Its Trino type: varchar, bigint, boolean, decimal(38,s), varbinary or array(varchar).
        path: The attribute's name, then the names of members of nested maps.
    """

    name: str
    type: str
    path: tuple[str, ...]

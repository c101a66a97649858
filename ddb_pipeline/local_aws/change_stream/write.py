"""One write of one item, and the change that it is, if it is one."""

from __future__ import annotations

from typing import NamedTuple

from moto.dynamodb.models.table import Table

from ddb_pipeline.local_aws.change_stream.change_record import Change
from ddb_pipeline.local_aws.change_stream.items import StoredItem


class Write(NamedTuple):
    """One write of one item, whether it changes anything or not.

    Attributes:
        table: The table.
        before: The item before, None if there was none.
        after: The item after, None if there is none.
        written_at_us: When, epoch microseconds.
        expired: Whether DynamoDB's time to live deleted the item.
    """

    table: Table
    before: StoredItem | None
    after: StoredItem | None
    written_at_us: int
    expired: bool

    def change(self, region: str) -> Change | None:
        """Return the change that this is, None if nothing differs afterwards."""
        old, new = (None if one is None else one.image for one in (self.before, self.after))
        item = self.before if self.after is None else self.after
        if item is None or (old is not None and new is not None and old.is_same(new)):
            return None
        return Change(region, self.table.name, item.keys, old, new, self.written_at_us, expired=self.expired)

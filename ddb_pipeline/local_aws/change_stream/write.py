"""One write of one item, and the change that it is, if it is one."""

from __future__ import annotations

from dataclasses import dataclass

from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table

from ddb_pipeline.local_aws.change_stream.attribute_values import image_of, same_image
from ddb_pipeline.local_aws.change_stream.change_record import Change
from ddb_pipeline.local_aws.change_stream.items import wire_values


@dataclass(frozen=True)
class Write:
    """One write of one item, whether it changes anything or not.

    Attributes:
        table: The table.
        before: The item before, None if there was none.
        after: The item after, None if there is none.
        written_at_us: When, epoch microseconds.
        expired: Whether DynamoDB's time to live deleted the item.
    """

    table: Table
    before: Item | None
    after: Item | None
    written_at_us: int
    expired: bool

    def change(self, region: str) -> Change | None:
        """Return the change that this is, None if nothing differs afterwards."""
        old, new = (None if one is None else image_of(wire_values(one)) for one in (self.before, self.after))
        image = old if new is None else new
        if image is None or same_image(old, new):
            return None
        keys = {name: image[name] for name in self.table.table_key_attrs}
        return Change(region, self.table.name, keys, old, new, self.written_at_us, expired=self.expired)

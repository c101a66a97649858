"""An item as it leaves its table: DynamoDB JSON as text, with the size that DynamoDB counts. Pure: no moto, no server.

The text is written once, when the item is, and stands in the change records of both changes that it takes part in.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from ddb_pipeline.local_aws.change_stream.attribute_values import AttributeValue, same_image, written_attributes


class Image(NamedTuple):
    """An item, or its key.

    Attributes:
        text: Compact DynamoDB JSON, normalised, all binary as base64.
        size: Bytes, as DynamoDB counts them.
    """

    text: str
    size: int

    @classmethod
    def of(cls, attributes: Mapping[str, AttributeValue]) -> Image:
        """Check and normalise attributes.

        Raises:
            InvalidValueError: DynamoDB would refuse one of them.
        """
        return cls(*written_attributes(attributes))

    def attributes(self) -> dict[str, dict[str, Any]]:
        """Read the attributes again, all binary as base64 text."""
        attributes: dict[str, dict[str, Any]] = json.loads(self.text)
        return attributes

    def is_same(self, other: Image) -> bool:
        """Say whether two images are the same item, in whatever order names and the elements of sets are."""
        if self.text == other.text:
            return True
        # another order has the same characters: a glance at them saves reading both texts for almost every change
        may_be_same = len(self.text) == len(other.text) and _sum(self.text) == _sum(other.text)
        return may_be_same and same_image(self.attributes(), other.attributes())


def _sum(text: str) -> int:
    """A number that does not depend on the order of characters: the lower half of Adler-32 adds up the bytes."""
    return zlib.adler32(text.encode()) & 0xFFFF

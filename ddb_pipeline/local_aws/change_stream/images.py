"""An item as it leaves its table: DynamoDB JSON as text, with the size that DynamoDB counts. Pure: no moto, no server.

The text is written once, when the item is, and stands in the change records of both changes that it takes part in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ddb_pipeline.local_aws.change_stream.attribute_values import (
    AttributeValue,
    base64_text,
    same_image,
    size_of_image,
)

_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=base64_text).encode


class Image(NamedTuple):
    """An item, or its key.

    Attributes:
        text: Compact DynamoDB JSON, all binary as base64.
        size: Bytes, as DynamoDB counts them.
    """

    text: str
    size: int

    @classmethod
    def of(cls, attributes: Mapping[str, AttributeValue]) -> Image:
        """Write attributes; binary may be bytes."""
        return cls(_write_json(attributes), size_of_image(attributes))

    def attributes(self) -> dict[str, dict[str, Any]]:
        """Read the attributes again, all binary as base64 text."""
        attributes: dict[str, dict[str, Any]] = json.loads(self.text)
        return attributes

    def is_same(self, other: Image) -> bool:
        """Say whether two images are the same item, in whatever order the names and the elements of sets are."""
        if len(self.text) != len(other.text):
            # another order is as long
            return False
        return self.text == other.text or same_image(self.attributes(), other.attributes())

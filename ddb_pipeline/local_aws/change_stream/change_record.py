"""The change record: the JSON that DynamoDB writes to Kinesis for one change of one item.

Its shape is that of published logs, since AWS documents no schema for it; the sizes are held to the example in
DynamoDB's own documentation by a test. Pure: no moto, no server.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal, NamedTuple

from ddb_pipeline.local_aws.change_stream.images import Image

Precision = Literal["MILLISECOND", "MICROSECOND"]

TIME_TO_LIVE_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
"""userIdentity of a delete that DynamoDB's time to live made (developerguide/time-to-live-ttl-streams.html)."""

_MICROSECONDS_PER_MILLISECOND = 1000


class Change(NamedTuple):
    """One change of one item, committed.

    Attributes:
        region: Region of the table.
        table_name: Name of the table, not its ARN.
        keys: The item's key attributes.
        old_image: The whole item before, None if there was none.
        new_image: The whole item after, None if there is none.
        changed_at_us: When, epoch microseconds.
        expired: Whether DynamoDB's time to live deleted the item.
    """

    region: str
    table_name: str
    keys: Image
    old_image: Image | None
    new_image: Image | None
    changed_at_us: int
    expired: bool = False

    @property
    def event_name(self) -> str:
        """INSERT, MODIFY or REMOVE."""
        if self.old_image is None:
            return "INSERT"
        return "REMOVE" if self.new_image is None else "MODIFY"

    @property
    def size_bytes(self) -> int:
        """SizeBytes: keys and images as DynamoDB counts them (API_streams_StreamRecord.html)."""
        return sum(image.size for image in (self.keys, self.new_image, self.old_image) if image is not None)

    @property
    def partition_key(self) -> str:
        """Kinesis partition key: 32 upper-case hex characters, the same for every change of an item.

        What DynamoDB hashes is not known; only that it looks so, and depends on the item's key.
        """
        text = f"{self.table_name} {self.keys.text}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()

    def to_record(self, event_id: str, precision: Precision) -> bytes:
        """Return the record's bytes: compact UTF-8 JSON without a newline.

        Args:
            event_id: Lower-case UUID with dashes.
            precision: Unit of ApproximateCreationDateTime, which is written into the record too.
        """
        time = self.changed_at_us
        if precision == "MILLISECOND":
            time //= _MICROSECONDS_PER_MILLISECOND
        # put together by hand, since the images are JSON already
        identity = json.dumps(TIME_TO_LIVE_IDENTITY, separators=(",", ":")) if self.expired else "null"
        new = "" if self.new_image is None else f'"NewImage":{self.new_image.text},'
        old = "" if self.old_image is None else f'"OldImage":{self.old_image.text},'
        return (
            f'{{"awsRegion":{json.dumps(self.region)},"eventID":"{event_id}","eventName":"{self.event_name}",'
            f'"userIdentity":{identity},"recordFormat":"application/json","tableName":'
            f'{json.dumps(self.table_name)},"dynamodb":{{"ApproximateCreationDateTime":{time},"Keys":{self.keys.text},'
            f'{new}{old}"SizeBytes":{self.size_bytes},"ApproximateCreationDateTimePrecision":"{precision}"}},'
            f'"eventSource":"aws:dynamodb"}}'
        ).encode()

"""The memory of attributes in S3: read whole, written whole, and only if nobody else has written it meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ddb_pipeline.errors import PipelineError
from ddb_pipeline.item_columns.memory import BrokenMemoryError, Memory, NewerMemoryError, read_memory, write_memory

# API_PutObject.html: 412 when the condition does not hold, 409 when another write was under way
_LOST_RACES = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class StoredMemory:
    """What the object holds.

    Attributes:
        memory: The memory; None: there is none, or it is broken.
        etag: S3's tag of this content of the object; None: there is no object.
        broken: What is wrong with it, for people; None: nothing.
    """

    memory: Memory | None
    etag: str | None
    broken: str | None = None


@dataclass(frozen=True)
class ColumnMemory:
    """The object that holds the memory.

    Attributes:
        client: boto3's S3 client.
        bucket: Name of the raw bucket.
        key: Key of the object.
    """

    client: Any
    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """Where the object is."""
        return f"s3://{self.bucket}/{self.key}"

    def read(self) -> StoredMemory:
        """Read the object.

        Raises:
            PipelineError: A later version of this project wrote it.
        """
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.key)
        except self.client.exceptions.NoSuchKey:
            return StoredMemory(None, None)
        etag, body = str(answer["ETag"]), answer["Body"].read()
        try:
            return StoredMemory(read_memory(body.decode("utf-8")), etag)
        except NewerMemoryError as error:
            raise PipelineError(f"{self.uri} {error}: update the project here, too") from error
        except UnicodeDecodeError:
            return StoredMemory(None, etag, "is not UTF-8 text")
        except BrokenMemoryError as error:
            return StoredMemory(None, etag, str(error))

    def write(self, memory: Memory, before: StoredMemory) -> bool:
        """Write the object, unless it has changed since it was read.

        Args:
            memory: What is to be remembered.
            before: What was read.

        Returns:
            False if another run has written the object since: read it again.
        """
        from botocore.exceptions import ClientError

        condition = {"IfMatch": before.etag} if before.etag else {"IfNoneMatch": "*"}
        body = write_memory(memory).encode("utf-8")
        try:
            self.client.put_object(
                Bucket=self.bucket, Key=self.key, Body=body, ContentType="application/json", **condition
            )
        except ClientError as error:
            # 404: the object that was read has been deleted since
            if error.response.get("Error", {}).get("Code") in {*_LOST_RACES, "NoSuchKey", "404"}:
                return False
            raise
        return True

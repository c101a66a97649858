"""A table as who deploys sees it: what DynamoDB says of it, as far as they may ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.cli.console import console
from ddb_pipeline.cli.place import Place
from ddb_pipeline.declaration import KeyAttribute
from ddb_pipeline.errors import is_denied

_NO_TABLE = {"ResourceNotFoundException", "TableNotFoundException"}
"""The second is that of the calls about backups (API_DescribeContinuousBackups.html)."""

IN_NOBODYS_WAY = {"DISABLED", "DISABLING", "ENABLE_FAILED"}
"""States of a destination that allow another one, at once or after a wait (API_KinesisDataStreamDestination.html)."""

_CHANGING_KEY = {"ENABLING", "DISABLING", "UPDATING"}
"""States of a table that is being encrypted with another key (API_SSEDescription.html)."""


class NoTableError(Exception):
    """There is no table of that name in the account and region."""


@dataclass(frozen=True)
class DescribedTable:
    """A table as DynamoDB describes it.

    Attributes:
        name: Its name.
        key: Its key, as `key_text` says it.
        encrypted_with: ARN of the KMS key in the account that encrypts it; None: a key that DynamoDB owns does.
        is_changing_key: Whether it is being encrypted with another key.
        streams_to: ARNs of the streams that are its destinations, or will be in a moment; None: nobody can say.
    """

    name: str
    key: str
    encrypted_with: str | None = None
    is_changing_key: bool = False
    streams_to: tuple[str, ...] | None = ()


def key_text(attributes: Iterable[KeyAttribute]) -> str:
    """Say a table's key, partition key first: `id (B), line (N)`."""
    return ", ".join(f"{attribute.name} ({attribute.type})" for attribute in attributes)


def key_of(table: Mapping[str, Any]) -> str:
    """Say the key of a table as DynamoDB describes it, or as a template declares it: both have the same names."""
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    # HASH, which is the partition key, before RANGE
    schema = sorted(table["KeySchema"], key=lambda one: str(one["KeyType"]))
    return key_text(KeyAttribute(one["AttributeName"], types[one["AttributeName"]]) for one in schema)


def described_table(place: Place, name: str) -> DescribedTable | None:
    """Describe a table.

    Args:
        place: Where it is.
        name: Its name.

    Returns:
        The table; None, and a line that says so: whose credentials these are may not ask.

    Raises:
        NoTableError: There is none.
        PipelineError: DynamoDB cannot be asked.
    """
    client = place.client("dynamodb")
    described = asked(place, f"table {name}", lambda: client.describe_table(TableName=name))
    if described is None:
        return None
    states = destinations(place, name)
    table = described["Table"]
    encryption = table.get("SSEDescription", {})
    return DescribedTable(
        name=name,
        key=key_of(table),
        encrypted_with=encryption.get("KMSMasterKeyArn"),
        is_changing_key=encryption.get("Status") in _CHANGING_KEY,
        streams_to=None
        if states is None
        else tuple(arn for arn, state in states.items() if state not in IN_NOBODYS_WAY),
    )


def destinations(place: Place, table: str) -> dict[str, str] | None:
    """Look where a table streams to.

    Args:
        place: Where it is.
        table: Its name.

    Returns:
        The state of each of its destinations, by ARN of the stream. None, and a line that says so: whose credentials
        these are may not ask.

    Raises:
        NoTableError: There is no such table.
        PipelineError: DynamoDB cannot be asked.
    """
    client = place.client("dynamodb")
    found = asked(
        place, f"streaming of table {table}", lambda: client.describe_kinesis_streaming_destination(TableName=table)
    )
    if found is None:
        return None
    return {str(one["StreamArn"]): str(one["DestinationStatus"]) for one in found["KinesisDataStreamDestinations"]}


def recovery_is_on(place: Place, table: str) -> bool | None:
    """Whether point-in-time recovery of a table is on (API_DescribeContinuousBackups.html).

    Args:
        place: Where the table is.
        table: Its name.

    Returns:
        None, and a line that says so: whose credentials these are may not ask.

    Raises:
        NoTableError: There is no such table.
        PipelineError: DynamoDB cannot be asked.
    """
    client = place.client("dynamodb")
    found = asked(
        place,
        f"point-in-time recovery of table {table}",
        lambda: client.describe_continuous_backups(TableName=table),
    )
    if found is None:
        return None
    # absent where it was never on: the description is optional (API_ContinuousBackupsDescription.html)
    recovery = found["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")


def is_key_of_aws(place: Place, arn: str) -> bool | None:
    """Whether a KMS key is `aws/dynamodb`, which everybody who may read a table may use.

    Returns:
        None, and a line that says so: whose credentials these are may not ask.

    Raises:
        PipelineError: KMS cannot be asked.
    """
    client = place.client("kms")
    described = asked(place, f"key {arn}", lambda: client.describe_key(KeyId=arn))
    return None if described is None else described["KeyMetadata"]["KeyManager"] == "AWS"


def asked(place: Place, what: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What AWS says of something that who deploys may not have to see.

    Args:
        place: Where it is.
        what: What is asked about, as the line names it.
        ask: The call.

    Returns:
        The answer; None, and a line that says so: whose credentials these are may not ask.

    Raises:
        NoTableError: It is not there.
        PipelineError: AWS cannot be asked.
    """
    from botocore.exceptions import ClientError

    with place.explained():
        try:
            return ask()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NO_TABLE:
                raise NoTableError(what) from error
            if not is_denied(error):
                raise
            denied = error.operation_name
    # who may only assume the CDK's roles may not see it: the custom resource looks at an existing table once more. It
    # does not at a table of the stack's, of which the deployed template tells (`made_tables`)
    console.print(f"  [yellow]{what} could not be looked at[/]: AWS denies {denied}")
    return None

"""The key of a stack, and the tables that outlive it: nothing reads a table again whose key has been deleted.

A table that a stack made is encrypted with the key of the stack, also when the stack has let go of it. It can be given
another key at any time, and needs the former one until it has that (developerguide/encryption.usagenotes.html).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.described_tables import DescribedTable, NoTableError, described_table
from ddb_pipeline.cli.place import DeployedStack, Place
from ddb_pipeline.cli.stack_safeguards import KEY_OUTPUT, has_made
from ddb_pipeline.declaration import Declaration
from ddb_pipeline.names import ComputedNames


def made_keys(place: Place, stacks: Mapping[str, DeployedStack]) -> set[str]:
    """Return the ARNs of the keys that the stacks have made.

    Raises:
        PipelineError: CloudFormation cannot be asked.
    """
    return {
        key
        for pipeline, stack in stacks.items()
        if (key := stack.outputs.get(KEY_OUTPUT)) is not None
        and has_made(place, ComputedNames(pipeline, place.stage).stack, key)
    }


def require_readable_afterwards(declaration: Declaration, place: Place, stacks: Mapping[str, DeployedStack]) -> None:
    """Check that no existing table of a stage is encrypted with a key that goes with the stage.

    Args:
        declaration: The pipelines.
        place: Where the stage is.
        stacks: What is deployed, and is to be destroyed, by pipeline.

    Raises:
        UserError: One is, or is just getting another one, or nobody can say.
        PipelineError: AWS cannot be asked.
    """
    existing = [
        table
        for pipeline in declaration.pipelines.values()
        if (table := pipeline.existing_table.of(place.stage)) is not None
    ]
    keys = made_keys(place, stacks) if existing else set()
    if not keys:
        return
    for name in existing:
        try:
            found = described_table(place, name)
        except NoTableError:
            continue
        if found is None:
            raise UserError(
                f"table {name} stays, and may be encrypted with a key that would be deleted with stage {place.stage}: "
                "use credentials that may look (dynamodb:DescribeTable); nothing was destroyed"
            )
        require_another_key(found, keys, "nothing was destroyed")
        if found.is_changing_key:
            raise UserError(
                f"table {name} is getting another key at this moment, and needs the one that it had until then: repeat "
                "this in a minute; nothing was destroyed"
            )


def require_another_key(table: DescribedTable, keys: Collection[str], so_far: str) -> None:
    """Check that a table that stays is not encrypted with one of the keys that go.

    Args:
        table: The table.
        keys: ARNs of the keys.
        so_far: What was not done, for the end of the sentence.

    Raises:
        UserError: It is.
    """
    if table.encrypted_with in keys:
        raise UserError(
            f"table {table.name} stays, and is encrypted with {table.encrypted_with}, the key that the stack made: it "
            "is deleted with a stage of keep_data = false, and nothing could read the table then. Encrypt it with "
            f"another key before: {another_key_command(table.name)}; {so_far}"
        )


def another_key_command(table: str) -> str:
    """The command that encrypts a table with a key of DynamoDB's, and what to say for one of the user's."""
    return (
        f"aws dynamodb update-table --table-name {table} --sse-specification Enabled=false (a key that DynamoDB owns; "
        "for one of yours Enabled=true,SSEType=KMS,KMSMasterKeyId=...)"
    )

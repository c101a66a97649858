"""What may be done to a stack in its state, and what a request says of one that nothing else reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ddb_pipeline.local_aws.deployment import template
from ddb_pipeline.local_aws.deployment.errors import ValidationError
from ddb_pipeline.local_aws.deployment.stack import Stack, Wanted

_UPDATABLE = {"CREATE_COMPLETE", "CREATE_FAILED", "UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"}
NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
"""Form of the name of a stack or a change set (API reference, CreateStack and CreateChangeSet)."""


def interrupted(status: str) -> str:
    """The state of a stack whose worker is gone. Those of an update that was not taken back cannot be updated."""
    if status.startswith("UPDATE"):
        return "UPDATE_ROLLBACK_FAILED"
    return f"{status.split('_', 1)[0]}_FAILED"


def changes_anything(stack: Stack, wanted: Wanted) -> bool:
    """Whether an update has anything to do; after a failure it always has."""
    now = stack.now
    is_same = (wanted.document, wanted.scope.values, wanted.tags) == (now.document, now.scope.values, now.tags)
    return not is_same or stack.status.endswith("_FAILED")


def refuse_update(stack: Stack) -> None:
    """Refuse to update a stack that is worked on, or that an update cannot mend.

    Raises:
        ValidationError: It is such a stack.
    """
    if stack.status not in _UPDATABLE:
        raise ValidationError(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


def refuse_other_types(stack: Stack, wanted: Wanted) -> None:
    """Refuse a template in which a resource that exists is of another type.

    Raises:
        ValidationError: There is such a resource.
    """
    resources = template.resources_of(wanted.document)
    changed = [
        name for name, item in stack.existing.items() if resources.get(name, item.resource).type != item.resource.type
    ]
    if changed:
        raise ValidationError(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(changed)}]"
        )


def tags_of(settings: Mapping[str, Any]) -> dict[str, str] | None:
    """The tags of a request; None if it says nothing of them, which leaves a stack's own."""
    if settings.get("Tags") is None:
        return None
    return {tag["Key"]: tag["Value"] for tag in settings["Tags"]}


def on_failure(settings: Mapping[str, Any]) -> str:
    """What a request wants after a failure: DELETE, DO_NOTHING or ROLLBACK.

    Raises:
        ValidationError: It is none of these.
    """
    if settings.get("DisableRollback"):
        return "DO_NOTHING"
    wanted = str(settings.get("OnFailure") or settings.get("OnStackFailure") or "ROLLBACK")
    if wanted not in {"DELETE", "DO_NOTHING", "ROLLBACK"}:
        raise ValidationError(
            f"Value '{wanted}' at 'onFailure' failed to satisfy constraint: [DO_NOTHING, ROLLBACK, DELETE]"
        )
    return wanted

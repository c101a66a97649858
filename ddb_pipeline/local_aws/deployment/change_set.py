"""A change set: a template that waits to become a stack's, and what it would change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.deployment.stack import Wanted

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
"""Why a change set fails that changes nothing; clients look for these words."""


@dataclass(frozen=True)
class Detail:
    """Why a property of a resource changes (API_ResourceChangeDetail.html).

    Attributes:
        name: The property, by its name at the top; None for another attribute.
        attribute: Properties, Tags, Metadata, DeletionPolicy or UpdateReplacePolicy.
        recreation: Never, Conditionally or Always: whether this change replaces the resource.
        evaluation: Static if the new value is known beforehand, else Dynamic.
        source: DirectModification, ParameterReference, ResourceReference or ResourceAttribute.
        cause: The parameter or resource, or None.
    """

    name: str | None
    attribute: str
    recreation: str
    evaluation: str
    source: str
    cause: str | None

    def described(self) -> dict[str, Any]:
        """As DescribeChangeSet shows it."""
        target = {"Attribute": self.attribute, "RequiresRecreation": self.recreation}
        return {
            "Target": {**target, **({"Name": self.name} if self.name else {})},
            "Evaluation": self.evaluation,
            "ChangeSource": self.source,
            **({"CausingEntity": self.cause} if self.cause else {}),
        }


@dataclass(frozen=True)
class Change:
    """What would become of one resource (API_ResourceChange.html).

    Attributes:
        action: Add, Modify or Remove.
        logical_id: Its name in the template.
        physical_id: Its name as it is; None before it is made.
        type: Its type.
        replacement: True, False or Conditional when it is modified, else None.
        policy_action: What becomes of the old one, if that is not to stay as it is.
        details: What changes.
    """

    action: str
    logical_id: str
    physical_id: str | None
    type: str
    replacement: str | None = None
    policy_action: str | None = None
    details: tuple[Detail, ...] = ()

    def described(self) -> dict[str, Any]:
        """As DescribeChangeSet shows it."""
        change: dict[str, Any] = {
            "Action": self.action,
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.type,
            "Scope": sorted({detail.attribute for detail in self.details}),
            "Details": [detail.described() for detail in self.details],
        }
        optional = {
            "PhysicalResourceId": self.physical_id,
            "Replacement": self.replacement,
            "PolicyAction": self.policy_action,
        }
        change |= {name: value for name, value in optional.items() if value is not None}
        return {"Type": "Resource", "ResourceChange": change}


@dataclass
class ChangeSet:
    """A change set of a stack.

    Attributes:
        wanted: What the stack is to become.
        kind: CREATE or UPDATE.
        status: CREATE_COMPLETE or FAILED.
        execution_status: AVAILABLE, UNAVAILABLE, EXECUTE_IN_PROGRESS, EXECUTE_COMPLETE or EXECUTE_FAILED.
    """

    name: str
    change_set_id: str
    description: str | None
    wanted: Wanted
    kind: str
    created_at: datetime
    changes: tuple[Change, ...]
    status: str = "CREATE_COMPLETE"
    execution_status: str = "AVAILABLE"
    reason: str | None = None

    def summary(self, stack: Mapping[str, Any]) -> dict[str, Any]:
        """As ListChangeSets shows it.

        Args:
            stack: Name and id of its stack, as they stand in an answer.
        """
        optional = {"Description": self.description, "StatusReason": self.reason}
        return {
            **stack,
            "ChangeSetName": self.name,
            "ChangeSetId": self.change_set_id,
            "CreationTime": self.created_at,
            "Status": self.status,
            "ExecutionStatus": self.execution_status,
            "IncludeNestedStacks": False,
            **{name: value for name, value in optional.items() if value is not None},
        }

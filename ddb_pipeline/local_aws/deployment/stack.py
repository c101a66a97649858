"""A stack, its resources and its history: what there is to know of it, without the work on it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ddb_pipeline.local_aws.deployment.change_set import ChangeSet
from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made, Scope
from ddb_pipeline.local_aws.deployment.template import Resource

STACK = "AWS::CloudFormation::Stack"
"""Resource type of the stack itself, in its events."""


@dataclass(frozen=True)
class Event:
    """A line in a stack's history."""

    logical_id: str
    physical_id: str
    resource_type: str
    status: str
    reason: str | None
    timestamp: datetime
    event_id: str


@dataclass(frozen=True)
class Existing:
    """A resource that the stack has made."""

    resource: Resource
    resolved: Mapping[str, Any]
    made: Made
    status: str
    timestamp: datetime


@dataclass(frozen=True)
class Request:
    """What CreateStack, UpdateStack or CreateChangeSet ask for.

    Attributes:
        text: The template; None for the one that the stack has.
        parameters: Values of its parameters.
        settings: The rest.
    """

    text: str | None
    parameters: Mapping[str, str]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What a stack is to become.

    Attributes:
        text: The template as it was given.
        document: The template.
        scope: What the template can refer to; gets the resources as they are made.
        given: The parameters of the request.
        tags: The stack's tags.
        on_failure: ROLLBACK, DO_NOTHING (what was done is kept) or DELETE.
    """

    text: str
    document: Mapping[str, Any]
    scope: Scope
    given: Mapping[str, str]
    tags: Mapping[str, str]
    on_failure: str = "ROLLBACK"


@dataclass
class Stack:
    """A stack. Its fields change only in the thread that works on it.

    Attributes:
        now: What it is, or is becoming.
        existing: Its resources, each after what it refers to.
        superseded: Resources that others have replaced, and that are still to be deleted.
    """

    name: str
    stack_id: str
    account: str
    region: str
    now: Wanted
    termination_protection: bool
    created_at: datetime
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    status: str = "CREATE_IN_PROGRESS"
    reason: str | None = None
    existing: dict[str, Existing] = field(default_factory=dict)
    superseded: list[Existing] = field(default_factory=list)
    outputs: list[dict[str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)

    @property
    def is_in_progress(self) -> bool:
        """Whether a thread works on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def exports(self) -> dict[str, str]:
        """Outputs that other stacks may import."""
        return {item["ExportName"]: item["OutputValue"] for item in self.outputs if "ExportName" in item}

    def show(self, status: str, reason: str | None = None) -> None:
        """Change the stack's own state, and record it."""
        self.record(self.name, self.stack_id, STACK, status, reason)
        self.status, self.reason = status, reason

    def record(self, logical_id: str, physical_id: str, kind: str, status: str, reason: str | None = None) -> None:
        """Add an event."""
        event = Event(logical_id, physical_id, kind, status, reason, datetime.now(tz=UTC), str(uuid.uuid4()))
        self.events.append(event)

"""The work on a stack: created, updated, deleted, rolled back, with the events and states that CloudFormation shows.

(docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html has the states.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ddb_pipeline.local_aws.deployment import (
    catalog_types,
    compute_types,
    custom_resources,
    identity_types,
    storage_types,
    table_types,
    template,
    watching_types,
)
from ddb_pipeline.local_aws.deployment.failures import FAILURES, is_gone, reason_of
from ddb_pipeline.local_aws.deployment.outputs import published_outputs
from ddb_pipeline.local_aws.deployment.place import Clients, HalfMadeError, Place, ResourceError, ResourceType
from ddb_pipeline.local_aws.deployment.plan import applies, named_replacement, plan
from ddb_pipeline.local_aws.deployment.properties import refused
from ddb_pipeline.local_aws.deployment.stack import STACK, Existing, Stack, Wanted
from ddb_pipeline.local_aws.deployment.template import End, Resource
from ddb_pipeline.local_aws.deployment.updates import keeps_custom_name, replacing, unchangeable

TYPES: dict[str, ResourceType] = {
    **storage_types.TYPES,
    **table_types.TYPES,
    **compute_types.TYPES,
    **identity_types.TYPES,
    **catalog_types.TYPES,
    **watching_types.TYPES,
}


def is_made(resource_type: str) -> bool:
    """Whether local AWS makes resources of a type."""
    return resource_type in TYPES or custom_resources.is_custom(resource_type)


def _type(resource_type: str) -> ResourceType:
    return custom_resources.TYPE if custom_resources.is_custom(resource_type) else TYPES[resource_type]


class StackWorker:
    """Makes, changes and deletes the resources of one stack.

    Args:
        stack: The stack.
        clients: boto3 clients of the stack's region.
        exports: Outputs that other stacks export.
    """

    def __init__(self, stack: Stack, clients: Clients, exports: Callable[[], Mapping[str, str]]) -> None:
        self._stack = stack
        self._clients = clients
        self._exports = exports

    def create(self) -> None:
        """Make everything; what fails takes the stack back to nothing, unless failures are to be kept."""
        stack = self._stack
        stack.show("CREATE_IN_PROGRESS", "User Initiated")
        failed = self._refuse_beforehand("CREATE_FAILED") or self._bring_about() or self._publish("CREATE_FAILED")
        if not failed:
            stack.show("CREATE_COMPLETE")
            return
        reason = f"The following resource(s) failed to create: [{', '.join(failed)}]."
        if stack.now.on_failure == "DO_NOTHING":
            stack.show("CREATE_FAILED", reason)
            return
        if stack.now.on_failure == "DELETE":
            stack.show("DELETE_IN_PROGRESS", f"{reason} Delete requested by user.")
            self._delete_everything("DELETE", "rolled back")
            return
        stack.show("ROLLBACK_IN_PROGRESS", f"{reason} Rollback requested by user.")
        self._delete_everything("ROLLBACK", "rolled back")

    def update(self, wanted: Wanted) -> None:
        """Change the stack to another template; what fails takes it back to the one before."""
        stack = self._stack
        before, unchanged = stack.now, dict(stack.existing)
        was_superseded = list(stack.superseded)
        wanted.scope.made = {name: item.made for name, item in unchanged.items()}
        stack.show("UPDATE_IN_PROGRESS", "User Initiated")
        refused_ones = self._refuse_beforehand("UPDATE_FAILED", wanted)
        stack.now = wanted
        failed = refused_ones or self._bring_about() or self._publish("UPDATE_FAILED")
        if not failed:
            resources = template.resources_of(wanted.document)
            kept = [name for name, resource in resources.items() if applies(resource, wanted.scope)]
            removed = [item for name, item in stack.existing.items() if name not in kept]
            stack.existing = {name: stack.existing[name] for name in kept}
            self._clean_up("UPDATE_COMPLETE", removed, "given up")
            return
        reason = f"The following resource(s) failed to update: [{', '.join(failed)}]."
        if wanted.on_failure == "DO_NOTHING":
            stack.show("UPDATE_FAILED", reason)
            return
        stack.show("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        self._take_back(before, unchanged, was_superseded)

    def delete(self) -> None:
        """Delete what the stack has made, in the opposite order, but for what its template retains."""
        self._stack.show("DELETE_IN_PROGRESS", "User Initiated")
        self._delete_everything("DELETE", "given up")

    def _delete_everything(self, what: str, end: End) -> None:
        stack = self._stack
        stack.superseded = self._delete_all(stack.superseded, "replaced")
        left = self._delete_all(list(stack.existing.values()), end)
        stack.existing = {item.resource.logical_id: item for item in left}
        left += stack.superseded
        if left:
            names = ", ".join(item.resource.logical_id for item in left)
            stack.show(f"{what}_FAILED", f"The following resource(s) failed to delete: [{names}].")
            return
        if what == "DELETE":
            stack.deleted_at = datetime.now(tz=UTC)
        stack.show(f"{what}_COMPLETE")

    def _take_back(self, before: Wanted, unchanged: dict[str, Existing], was_superseded: list[Existing]) -> None:
        """Bring every resource back to what it was, and delete what was added."""
        stack = self._stack
        attempted, replaced = dict(stack.existing), {id(item) for item in stack.superseded}
        added = [item for name, item in attempted.items() if name not in unchanged]
        stack.now = before
        before.scope.made = {name: item.made for name, item in unchanged.items()}
        failed = []
        for name, item in unchanged.items():
            # a custom resource is always asked to go back: only its function knows whether it made another one
            is_custom = custom_resources.is_custom(item.resource.type)
            if id(item) in replaced and not is_custom:
                added.append(attempted[name])
                stack.existing[name] = item
            elif attempted[name] is not item and not self._change_in_place(
                attempted[name], item.resource, item.resolved
            ):
                failed.append(name)
            elif is_custom and stack.existing[name].made.physical_id != attempted[name].made.physical_id:
                added.append(attempted[name])
        stack.existing = {name: stack.existing[name] for name in unchanged}
        stack.superseded = was_superseded
        self._publish("UPDATE_FAILED")
        if failed:
            stack.superseded += added
            reason = f"The following resource(s) failed to update: [{', '.join(failed)}]."
            stack.show("UPDATE_ROLLBACK_FAILED", reason)
            return
        self._clean_up("UPDATE_ROLLBACK_COMPLETE", added, "rolled back")

    def _clean_up(self, status: str, removed: list[Existing], end: End) -> None:
        stack = self._stack
        stack.show(f"{status}_CLEANUP_IN_PROGRESS")
        left = self._delete_all(stack.superseded, "replaced")
        left += self._delete_all(removed, end)
        stack.superseded = left
        stack.updated_at = datetime.now(tz=UTC)
        # as on AWS, what cannot be cleaned up does not fail the update; the events have it
        names = ", ".join(item.resource.logical_id for item in left)
        stack.show(status, f"could not delete [{names}]" if left else None)

    def _refuse_beforehand(self, status: str, wanted: Wanted | None = None) -> list[str]:
        """Record what is known to fail before anything is touched; return those resources."""
        stack = self._stack
        to_be = wanted or stack.now
        found = plan(stack.now.document, stack.existing, to_be.document, to_be.scope, is_made)
        resources = template.resources_of(to_be.document)
        for name, reason in found.refusals.items():
            known = stack.existing.get(name)
            physical_id = known.made.physical_id if known else ""
            stack.record(name, physical_id, resources[name].type, status if known else "CREATE_FAILED", reason)
        return list(found.refusals)

    def _bring_about(self) -> list[str]:
        """Make or change resources in order; return the one that failed, which ends it."""
        scope = self._stack.now.scope
        for resource in template.resources_of(self._stack.now.document).values():
            if applies(resource, scope) and not self._make_or_change(resource):
                return [resource.logical_id]
        return []

    def _make_or_change(self, resource: Resource) -> bool:
        stack = self._stack
        known = stack.existing.get(resource.logical_id)
        try:
            resolved = stack.now.scope.resolve(resource.properties)
            refusal = refused(resource.type, resolved)
            if refusal is not None:
                raise ResourceError(refusal)
        except FAILURES as error:
            status, physical_id = ("UPDATE_FAILED", known.made.physical_id) if known else ("CREATE_FAILED", "")
            stack.record(resource.logical_id, physical_id, resource.type, status, reason_of(error))
            return False
        if known is not None and known.status == "CREATE_FAILED":
            # left half made by an operation that kept its failures
            self._delete(known)
            del stack.existing[resource.logical_id]
            known = None
        if known is None:
            return self._make(resource, resolved, "CREATE")
        if replacing(resource.type, known.resolved, resolved):
            return self._replace(known, resource, resolved)
        return self._change_in_place(known, resource, resolved)

    def _make(self, resource: Resource, resolved: Mapping[str, Any], what: str, reason: str | None = None) -> bool:
        stack, kind, name = self._stack, _type(resource.type), resource.logical_id
        replaced = stack.existing.get(name)
        stack.record(name, replaced.made.physical_id if replaced else "", resource.type, f"{what}_IN_PROGRESS", reason)
        physical_id = replaced.made.physical_id if replaced else ""
        try:
            place = self._place(resource)
            made = kind.make(place, resolved)
            physical_id = made.physical_id
            # from here on it is there, and has to be deleted if the rest fails
            self._keep(Existing(resource, resolved, made, f"{what}_FAILED", datetime.now(tz=UTC)))
            if replaced is not None:
                stack.superseded.append(replaced)
            kind.configure(place, made, resolved)
        except HalfMadeError as error:
            self._keep(Existing(resource, resolved, error.made, f"{what}_FAILED", datetime.now(tz=UTC)))
            stack.record(name, error.made.physical_id, resource.type, f"{what}_FAILED", reason_of(error))
            return False
        except FAILURES as error:
            stack.record(name, physical_id, resource.type, f"{what}_FAILED", reason_of(error))
            return False
        self._keep(replace(stack.existing[name], status=f"{what}_COMPLETE"))
        stack.record(name, physical_id, resource.type, f"{what}_COMPLETE")
        return True

    def _replace(self, known: Existing, resource: Resource, resolved: Mapping[str, Any]) -> bool:
        name = keeps_custom_name(resource.type, known.resolved, resolved)
        if name is not None:
            physical_id, reason = known.made.physical_id, named_replacement(name)
            self._stack.record(resource.logical_id, physical_id, resource.type, "UPDATE_FAILED", reason)
            return False
        reason = "Requested update requires the creation of a new physical resource; hence creating one."
        return self._make(resource, resolved, "UPDATE", reason)

    def _change_in_place(self, known: Existing, resource: Resource, resolved: Mapping[str, Any]) -> bool:
        """Bring a resource that exists to new properties."""
        stack, name, made = self._stack, resource.logical_id, known.made
        if known.resolved == resolved and not known.status.endswith("_FAILED"):
            self._keep(replace(known, resource=resource))
            return True
        stack.record(name, made.physical_id, resource.type, "UPDATE_IN_PROGRESS")
        try:
            refusal = unchangeable(resource.type, known.resolved, resolved)
            update = _type(resource.type).update
            if refusal is not None or update is None:
                raise ResourceError(refusal or f"local AWS cannot change a resource of type {resource.type}")
            # a change that fails half way is taken back from where it was going
            self._keep(Existing(resource, resolved, made, "UPDATE_FAILED", datetime.now(tz=UTC)))
            made = update(self._place(resource), made, known.resolved, resolved) or made
        except FAILURES as error:
            stack.record(name, made.physical_id, resource.type, "UPDATE_FAILED", reason_of(error))
            return False
        self._keep(Existing(resource, resolved, made, "UPDATE_COMPLETE", datetime.now(tz=UTC)))
        if custom_resources.is_custom(resource.type) and made.physical_id != known.made.physical_id:
            stack.superseded.append(known)
        stack.record(name, made.physical_id, resource.type, "UPDATE_COMPLETE")
        return True

    def _keep(self, item: Existing) -> None:
        self._stack.existing[item.resource.logical_id] = item
        self._stack.now.scope.made[item.resource.logical_id] = item.made

    def _delete_all(self, items: Iterable[Existing], end: End) -> list[Existing]:
        """Delete what does not outlive that, last made first; return those that could not be deleted.

        As on AWS, a resource that could not be deleted does not hold back what it needs: a custom resource loses its
        function, and can only be given up then (aws-cloudformation/cloudformation-coverage-roadmap, issues 852, 1508).
        """
        left: list[Existing] = []
        for item in reversed(list(items)):
            resource = item.resource
            if resource.outlives(end):
                self._stack.record(resource.logical_id, item.made.physical_id, resource.type, "DELETE_SKIPPED")
            elif not self._delete(item):
                left.append(replace(item, status="DELETE_FAILED"))
        return left[::-1]

    def _delete(self, item: Existing) -> bool:
        stack, name, kind, physical_id = (
            self._stack,
            item.resource.logical_id,
            item.resource.type,
            item.made.physical_id,
        )
        stack.record(name, physical_id, kind, "DELETE_IN_PROGRESS")
        try:
            _type(kind).delete(self._place(item.resource), item.made, item.resolved)
        except FAILURES as error:
            if not is_gone(error):
                stack.record(name, physical_id, kind, "DELETE_FAILED", reason_of(error))
                return False
        stack.record(name, physical_id, kind, "DELETE_COMPLETE")
        return True

    def _publish(self, status: str) -> list[str]:
        """Work out the outputs; return the stack's own name if one cannot be."""
        stack = self._stack
        try:
            stack.outputs = published_outputs(stack, self._exports())
        except FAILURES as error:
            stack.record(stack.name, stack.stack_id, STACK, status, f"outputs: {reason_of(error)}")
            return [stack.name]
        return []

    def _place(self, resource: Resource) -> Place:
        stack = self._stack
        return Place(
            client=self._clients,
            account=stack.account,
            region=stack.region,
            stack=stack.name,
            logical_id=resource.logical_id,
            stack_id=stack.stack_id,
            resource_type=resource.type,
        )

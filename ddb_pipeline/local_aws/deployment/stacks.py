"""The work on a stack: created, updated, deleted, rolled back, with the events and states that CloudFormation shows.

(docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html has the states.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ddb_pipeline.local_aws.deployment import catalog_types, compute_types, properties, storage_types, template
from ddb_pipeline.local_aws.deployment.intrinsic_functions import Scope, TemplateError
from ddb_pipeline.local_aws.deployment.place import Clients, Place, ResourceError, ResourceType
from ddb_pipeline.local_aws.deployment.stack import STACK, Existing, Stack
from ddb_pipeline.local_aws.deployment.template import Resource

TYPES: dict[str, ResourceType] = {**storage_types.TYPES, **compute_types.TYPES, **catalog_types.TYPES}

# what making a resource can fail with: the service says no, the template is wrong, a property is missing or of the
# wrong type
_FAILURES = (BotoCoreError, ClientError, KeyError, ResourceError, TemplateError, TypeError, ValueError)


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
        failed = self._make_all(template.resources_of(stack.document).values())
        if not failed:
            failed = self._publish_outputs()
        if not failed:
            stack.show("CREATE_COMPLETE")
            return
        reason = f"The following resource(s) failed to create: [{', '.join(failed)}]."
        if stack.keeps_failures:
            stack.show("CREATE_FAILED", reason)
            return
        stack.show("ROLLBACK_IN_PROGRESS", f"{reason} Rollback requested by user.")
        left = self._delete_all(list(stack.existing))
        if left:
            stack.show("ROLLBACK_FAILED", f"The following resource(s) failed to delete: [{', '.join(left)}].")
        else:
            stack.show("ROLLBACK_COMPLETE")

    def update(self, text: str, document: Mapping[str, Any], scope: Scope) -> None:
        """Change the stack to another template; what fails takes it back to the one before."""
        stack = self._stack
        before = (stack.text, stack.document, stack.scope)
        unchanged = {name: (item.resource, item.resolved) for name, item in stack.existing.items()}
        scope.made = {name: item.made for name, item in stack.existing.items()}
        stack.text, stack.document, stack.scope = text, document, scope
        stack.show("UPDATE_IN_PROGRESS", "User Initiated")
        wanted = template.resources_of(document)
        new = [resource for name, resource in wanted.items() if name not in stack.existing]
        failed = self._make_all(wanted.values()) or self._publish_outputs()
        if not failed:
            gone = [name for name in stack.existing if name not in wanted or not self._applies(wanted[name])]
            self._finish_update(gone, "UPDATE_COMPLETE")
            return
        reason = f"The following resource(s) failed to update: [{', '.join(failed)}]."
        stack.show("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        stack.text, stack.document, stack.scope = before
        for name, (resource, resolved) in unchanged.items():
            self._change(resource, resolved)
            stack.existing[name].resource = resource
        self._publish_outputs()
        added = [resource.logical_id for resource in new if resource.logical_id in stack.existing]
        self._finish_update(added, "UPDATE_ROLLBACK_COMPLETE")

    def delete(self) -> None:
        """Delete what the stack has made, in the opposite order, but for what its template retains."""
        stack = self._stack
        stack.show("DELETE_IN_PROGRESS", "User Initiated")
        left = self._delete_all(list(stack.existing))
        if left:
            stack.show("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(left)}].")
            return
        stack.deleted_at = datetime.now(tz=UTC)
        stack.show("DELETE_COMPLETE")

    def _finish_update(self, gone: list[str], status: str) -> None:
        self._stack.show(f"{status}_CLEANUP_IN_PROGRESS")
        left = self._delete_all(gone)
        self._stack.updated_at = datetime.now(tz=UTC)
        # as on AWS, what cannot be cleaned up does not fail the update; the events have it
        self._stack.show(status, f"could not delete [{', '.join(left)}]" if left else None)

    def _make_all(self, resources: Iterable[Resource]) -> list[str]:
        """Make or change resources in order; return those that failed, the first one ends it."""
        wanted = [resource for resource in resources if self._applies(resource)]
        # what is plain before anything is made fails before anything is made
        failed = []
        for resource in wanted:
            refusal = properties.refused(resource.type, resource.properties)
            if refusal is not None:
                self._stack.record(resource.logical_id, "", resource.type, "CREATE_FAILED", refusal)
                failed.append(resource.logical_id)
        if failed:
            return failed
        for resource in wanted:
            if not self._make(resource):
                return [resource.logical_id]
        return []

    def _applies(self, resource: Resource) -> bool:
        return resource.condition is None or self._stack.scope.holds({"Condition": resource.condition})

    def _make(self, resource: Resource) -> bool:
        stack, kind = self._stack, TYPES[resource.type]
        known = stack.existing.get(resource.logical_id)
        try:
            resolved = stack.scope.resolve(resource.properties)
            refusal = properties.refused(resource.type, resolved)
            if refusal is not None:
                raise ResourceError(refusal)
        except _FAILURES as error:
            stack.record(resource.logical_id, "", resource.type, "CREATE_FAILED", reason_of(error))
            return False
        if known is not None:
            return self._change(resource, resolved)
        stack.record(resource.logical_id, "", resource.type, "CREATE_IN_PROGRESS")
        physical_id = ""
        try:
            place = self._place(resource.logical_id)
            made = kind.make(place, resolved)
            physical_id = made.physical_id
            now = datetime.now(tz=UTC)
            stack.existing[resource.logical_id] = Existing(resource, resolved, made, "CREATE_FAILED", now)
            stack.scope.made[resource.logical_id] = made
            kind.configure(place, made, resolved)
        except _FAILURES as error:
            stack.record(resource.logical_id, physical_id, resource.type, "CREATE_FAILED", reason_of(error))
            return False
        stack.existing[resource.logical_id].status = "CREATE_COMPLETE"
        stack.record(resource.logical_id, physical_id, resource.type, "CREATE_COMPLETE")
        return True

    def _change(self, resource: Resource, resolved: Mapping[str, Any]) -> bool:
        """Bring a resource that exists to new properties."""
        stack = self._stack
        known, name = stack.existing[resource.logical_id], resource.logical_id
        if known.resolved == resolved:
            known.resource = resource
            return True
        stack.record(name, known.made.physical_id, resource.type, "UPDATE_IN_PROGRESS")
        try:
            update = TYPES[resource.type].update
            if update is None or known.resource.type != resource.type:
                raise ResourceError(cannot_change(resource))
            update(self._place(name), known.made, known.resolved, resolved)
        except _FAILURES as error:
            stack.record(name, known.made.physical_id, resource.type, "UPDATE_FAILED", reason_of(error))
            return False
        known.resource, known.resolved = resource, resolved
        known.status, known.timestamp = "UPDATE_COMPLETE", datetime.now(tz=UTC)
        stack.record(name, known.made.physical_id, resource.type, "UPDATE_COMPLETE")
        return True

    def _delete_all(self, names: list[str]) -> list[str]:
        """Delete resources, last made first; return those that are left because they or their users failed."""
        stack = self._stack
        left: list[str] = []
        for name in reversed(names):
            known = stack.existing[name]
            kind, physical_id = known.resource.type, known.made.physical_id
            if any(name in stack.existing[other].resource.needs for other in left):
                left.append(name)
                continue
            if known.resource.deletion_policy == "Retain":
                stack.record(name, physical_id, kind, "DELETE_SKIPPED")
            else:
                stack.record(name, physical_id, kind, "DELETE_IN_PROGRESS")
                try:
                    TYPES[kind].delete(self._place(name), known.made, known.resolved)
                except _FAILURES as error:
                    if not _is_gone(error):
                        stack.record(name, physical_id, kind, "DELETE_FAILED", reason_of(error))
                        known.status = "DELETE_FAILED"
                        left.append(name)
                        continue
                stack.record(name, physical_id, kind, "DELETE_COMPLETE")
            del stack.existing[name]
            stack.scope.made.pop(name, None)
        return left

    def _publish_outputs(self) -> list[str]:
        """Work out the outputs; return the stack's own name if one cannot be."""
        stack = self._stack
        outputs = []
        try:
            for name, output in stack.document.get("Outputs", {}).items():
                if "Condition" in output and not stack.scope.holds({"Condition": output["Condition"]}):
                    continue
                entry = {"OutputKey": name, "OutputValue": str(stack.scope.resolve(output["Value"]))}
                if "Description" in output:
                    entry["Description"] = output["Description"]
                if "Export" in output:
                    entry["ExportName"] = str(stack.scope.resolve(output["Export"]["Name"]))
                    self._refuse_taken_export(entry["ExportName"])
                outputs.append(entry)
        except (KeyError, TemplateError) as error:
            stack.record(stack.name, stack.stack_id, STACK, "CREATE_FAILED", f"outputs: {reason_of(error)}")
            return [stack.name]
        stack.outputs = outputs
        return []

    def _refuse_taken_export(self, name: str) -> None:
        if name in self._exports() and name not in self._stack.exports:
            raise TemplateError(f"Export with name {name} is already exported by another stack")

    def _place(self, logical_id: str) -> Place:
        stack = self._stack
        return Place(self._clients, stack.account, stack.region, stack.name, logical_id)


def scope_of(
    document: Mapping[str, Any],
    pseudo_parameters: Mapping[str, Any],
    given: Mapping[str, str],
    look_up: Callable[[str], str],
    exports: Mapping[str, str],
) -> Scope:
    """Everything that a template may refer to before its first resource is made.

    Raises:
        TemplateError: A parameter is missing, a rule is not satisfied, a condition is wrongly written.
    """
    values = {**pseudo_parameters, **template.parameter_values(document, given, look_up)}
    scope = Scope(values=values, mappings=document.get("Mappings", {}), exports=exports)
    template.decide_conditions(document, scope)
    failed = template.failed_rules(document, scope)
    if failed:
        raise TemplateError(f"Template validation error: {' '.join(failed)}")
    return scope


def unchangeable(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What an update to another template would change that local AWS cannot, known before anything is changed."""
    reasons = []
    for name, content in template.resources_of(new).items():
        before = old["Resources"].get(name)
        if before is None:
            continue
        kind = TYPES.get(content.type)
        changed = before.get("Properties") != new["Resources"][name].get("Properties")
        if before["Type"] != content.type or (changed and kind is not None and kind.update is None):
            reasons.append(cannot_change(content))
    return reasons


def cannot_change(resource: Resource) -> str:
    """Say that a resource cannot be changed in place."""
    return (
        f"local AWS cannot change {resource.logical_id} ({resource.type}) in place: "
        "start it anew and deploy again (`ddb-pipeline local down`, `ddb-pipeline local up`)"
    )


def reason_of(error: BaseException) -> str:
    """An error as the reason of an event."""
    if isinstance(error, KeyError):
        return f"the property {error.args[0]} is missing"
    if isinstance(error, ClientError):
        found = error.response.get("Error", {})
        return f"{error.operation_name}: {found.get('Message', 'no message')} ({found.get('Code', 'no code')})"
    return str(error)


def _is_gone(error: BaseException) -> bool:
    """Whether deleting failed because somebody had deleted it before: CloudFormation takes that as done."""
    if not isinstance(error, ClientError):
        return False
    code = str(error.response.get("Error", {}).get("Code", ""))
    gone = {"NoSuchEntity", "NoSuchBucket", "NoSuchBucketPolicy", "ParameterNotFound", "EntityNotFoundException"}
    return code in gone or code.startswith(("ResourceNotFound", "NotFoundException"))

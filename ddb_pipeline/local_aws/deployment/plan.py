"""What an update would do, known before it is done: the list of a change set, and what is refused beforehand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ddb_pipeline.local_aws.deployment import properties, template, updates
from ddb_pipeline.local_aws.deployment.change_set import Change, Detail
from ddb_pipeline.local_aws.deployment.custom_resources import is_custom
from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made, Scope, TemplateError, references
from ddb_pipeline.local_aws.deployment.template import Resource

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.deployment.stack import Existing

_UNKNOWN = "{{known after the update}}"
_VOLATILE = {"AWS::SSM::Parameter": frozenset({"Type", "Value"}), "AWS::DynamoDB::Table": frozenset({"StreamArn"})}
"""Attributes that may change while their resource stays."""


class _Later(Mapping[str, Any]):
    """Attributes of a resource that is still to be made: each has a value, nobody knows which."""

    def __getitem__(self, name: str) -> str:
        return _UNKNOWN

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True)
class Plan:
    """What an update would do.

    Attributes:
        changes: By resource, in the order of the new template; what is removed comes last.
        refusals: By logical id, why it cannot be done.
    """

    changes: tuple[Change, ...] = ()
    refusals: Mapping[str, str] = field(default_factory=dict)


def applies(resource: Resource, scope: Scope) -> bool:
    """Whether a resource's condition holds, or it has none."""
    return resource.condition is None or scope.holds({"Condition": resource.condition})


def plan(
    old: Mapping[str, Any],
    existing: Mapping[str, Existing],
    new: Mapping[str, Any],
    scope: Scope,
    is_known: Callable[[str], bool],
) -> Plan:
    """Compare what exists with what a template wants.

    Args:
        old: The stack's template.
        existing: The stack's resources.
        new: The template that it is to have.
        scope: What the new template can refer to, before anything of it is made.
        is_known: Whether a resource type can be made at all.
    """
    wanted = {name: found for name, found in template.resources_of(new).items() if applies(found, scope)}
    view = replace(scope, made={name: item.made for name, item in existing.items()})
    changes, refusals = [], {}
    for name, resource in wanted.items():
        known = existing.get(name)
        refusal = (
            properties.refused(resource.type, resource.properties)
            if is_known(resource.type)
            else (f"local AWS does not make resources of type {resource.type}")
        )
        if known is None or known.status == "CREATE_FAILED":
            changes.append(Change("Add", name, None, resource.type))
            view.made[name] = Made(_UNKNOWN, _Later())
        else:
            resolved = _resolved(resource.properties, view)
            moved = {
                other for other, made in view.made.items() if other not in existing or made != existing[other].made
            }
            causes = dict.fromkeys(moved, "Resource") | dict.fromkeys(new.get("Parameters", {}), "ParameterReference")
            change = _modification(old["Resources"][name], known, resource, resolved, causes)
            if change is not None:
                changes.append(change)
                refusal = refusal or _refusal(change, known, resolved)
                view.made[name] = _made_after(change, known)
        if refusal is not None:
            refusals[name] = refusal
    for name in reversed(list(existing)):
        if name not in wanted:
            item = existing[name]
            policy = "Retain" if item.resource.outlives("given up") else "Delete"
            changes.append(Change("Remove", name, item.made.physical_id, item.resource.type, policy_action=policy))
    return Plan(tuple(changes), refusals)


def _resolved(written: Mapping[str, Any], view: Scope) -> dict[str, Any]:
    resolved = {}
    for name, value in written.items():
        try:
            found = view.resolve(value)
        except TemplateError:
            # a part of what is not known yet, such as one of the words in an ARN
            found = _UNKNOWN
        if found is not None:
            resolved[name] = found
    return resolved


def _modification(
    before: Mapping[str, Any],
    known: Existing,
    resource: Resource,
    resolved: Mapping[str, Any],
    causes: Mapping[str, str],
) -> Change | None:
    changed = sorted({path.split(".", 1)[0] for path in updates.changed_paths(known.resolved, resolved)})
    replacing = {path.split(".", 1)[0] for path in updates.replacing(resource.type, known.resolved, resolved)}
    details = []
    for name in changed:
        is_known = _UNKNOWN not in str(resolved.get(name))
        recreation = "Never" if name not in replacing else "Always" if is_known else "Conditionally"
        written = (before.get("Properties") or {}).get(name), resource.properties.get(name)
        cause = None
        if written[0] == written[1]:
            cause = next((other for other in references(written[1]) if other in causes), None)
        details.append(
            Detail(
                name=name,
                attribute="Tags" if name == "Tags" else "Properties",
                recreation=recreation,
                evaluation="Static" if is_known else "Dynamic",
                source="DirectModification" if cause is None else _source(written[1], cause, causes[cause]),
                cause=cause,
            )
        )
    attributes = {
        "DeletionPolicy": known.resource.deletion_policy != resource.deletion_policy,
        "Metadata": known.resource.metadata != resource.metadata,
        "UpdateReplacePolicy": known.resource.update_replace_policy != resource.update_replace_policy,
    }
    details += [
        Detail(None, name, "Never", "Static", "DirectModification", None)
        for name, differs in attributes.items()
        if differs
    ]
    if not details:
        return None
    recreations = {detail.recreation for detail in details}
    replacement = "True" if "Always" in recreations else "Conditional" if "Conditionally" in recreations else "False"
    policy = f"ReplaceAnd{resource.update_replace_policy}" if replacement == "True" else None
    return Change(
        "Modify", resource.logical_id, known.made.physical_id, resource.type, replacement, policy, tuple(details)
    )


def _source(written: Any, cause: str, kind: str) -> str:
    if kind != "Resource":
        return kind
    text = str(written)
    if f"'Fn::GetAtt': ['{cause}'" in text or f"'Fn::GetAtt': '{cause}." in text:
        return "ResourceAttribute"
    return "ResourceReference"


def _refusal(change: Change, known: Existing, resolved: Mapping[str, Any]) -> str | None:
    reason = updates.unchangeable(change.type, known.resolved, resolved)
    if reason is not None:
        return reason
    name = updates.keeps_custom_name(change.type, known.resolved, resolved)
    if change.replacement == "True" and name is not None:
        return named_replacement(name)
    return None


def named_replacement(name: str) -> str:
    """What CloudFormation says of a resource that must be replaced and has a name of its own."""
    return (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
        f"Rename {name} and update the stack again."
    )


def _made_after(change: Change, known: Existing) -> Made:
    if change.replacement != "False":
        return Made(_UNKNOWN, _Later())
    volatile = set(known.made.attributes) if is_custom(change.type) else _VOLATILE.get(change.type, frozenset())
    later = dict.fromkeys(volatile & set(known.made.attributes), _UNKNOWN)
    return Made(known.made.physical_id, {**known.made.attributes, **later})

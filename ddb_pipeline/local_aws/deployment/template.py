"""A CloudFormation template as CloudFormation reads it: sections, parameters, rules, conditions, resources in order.

Pure: everything a template may look up in its surroundings is passed in. Templates are JSON, as the CDK writes them.
What this does not know (transforms, macros, other sections and attributes) is refused by name.
(docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ddb_pipeline.local_aws.deployment.intrinsic_functions import Scope, TemplateError, condition_of, references

SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Rules",
    }
)
RESOURCE_KEYS = frozenset(
    {"Condition", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type", "UpdateReplacePolicy"}
)
DELETION_POLICIES = frozenset({"Delete", "Retain", "RetainExceptOnCreate"})
"""What may become of a resource that its stack gives up; Snapshot is not done here."""
UPDATE_REPLACE_POLICIES = frozenset({"Delete", "Retain"})
"""What may become of a resource that an update replaces; Snapshot is not done here."""
End = Literal["given up", "replaced", "rolled back"]
"""How a stack comes to be without a resource: it, or an update, gives it up; an update makes another one in its place;
or the operation that made it is rolled back."""
_SSM_PARAMETER = "AWS::SSM::Parameter::Value<"


@dataclass(frozen=True)
class Resource:
    """One resource of a template."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    depends_on: tuple[str, ...]
    condition: str | None
    deletion_policy: str
    update_replace_policy: str
    metadata: Mapping[str, Any]

    def outlives(self, end: End) -> bool:
        """Whether it stays after all (aws-attribute-deletionpolicy.html, aws-attribute-updatereplacepolicy.html)."""
        if end == "replaced":
            return self.update_replace_policy == "Retain"
        return self.deletion_policy == "Retain" or (
            self.deletion_policy == "RetainExceptOnCreate" and end != "rolled back"
        )

    @property
    def needs(self) -> frozenset[str]:
        """What must exist before this: logical ids and parameters."""
        return frozenset({*self.depends_on, *references(self.properties)})


def parse(text: str) -> dict[str, Any]:
    """Read a template's text.

    Raises:
        TemplateError: It is not a JSON object with resources, or has a section that is not known.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise TemplateError(f"local AWS reads templates in JSON only: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    unknown = sorted(set(document) - SECTIONS)
    if unknown:
        raise TemplateError(f"local AWS does not know the template section {', '.join(unknown)}")
    return document


def resources_of(document: Mapping[str, Any]) -> dict[str, Resource]:
    """The template's resources, in the order in which they must be made: each after what it refers to.

    Raises:
        TemplateError: A resource is wrongly written, refers to nothing, or the order is a circle.
    """
    resources = {name: _resource(name, content) for name, content in document["Resources"].items()}
    known = set(resources) | set(document.get("Parameters", {}))
    for name, resource in resources.items():
        missing = sorted(other for other in resource.needs if other not in known and not other.startswith("AWS::"))
        if missing:
            raise TemplateError(f"Template format error: Unresolved resource dependencies {missing} of {name}")
    needs = {name: resource.needs & set(resources) for name, resource in resources.items()}
    ordered: dict[str, Resource] = {}
    while len(ordered) < len(resources):
        ready = [name for name in resources if name not in ordered and not (needs[name] - set(ordered))]
        if not ready:
            circle = ", ".join(sorted(set(resources) - set(ordered)))
            raise TemplateError(f"Circular dependency between resources: [{circle}]")
        # one at a time keeps the template's own order where nothing else decides
        ordered[ready[0]] = resources[ready[0]]
    return ordered


def _resource(name: str, content: Any) -> Resource:
    if not isinstance(content, dict) or not isinstance(content.get("Type"), str):
        raise TemplateError(f"Template format error: resource {name} has no Type")
    unknown = sorted(set(content) - RESOURCE_KEYS)
    if unknown:
        raise TemplateError(f"local AWS does not know {', '.join(unknown)} of resource {name}")
    for attribute, policies in (
        ("DeletionPolicy", DELETION_POLICIES),
        ("UpdateReplacePolicy", UPDATE_REPLACE_POLICIES),
    ):
        if content.get(attribute, "Delete") not in policies:
            raise TemplateError(f"local AWS does not know the {attribute} {content[attribute]} of resource {name}")
    depends_on = content.get("DependsOn", [])
    return Resource(
        logical_id=name,
        type=content["Type"],
        properties=content.get("Properties") or {},
        depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(depends_on),
        condition=content.get("Condition"),
        deletion_policy=content.get("DeletionPolicy", "Delete"),
        update_replace_policy=content.get("UpdateReplacePolicy", "Delete"),
        metadata=content.get("Metadata") or {},
    )


def parameter_values(
    document: Mapping[str, Any], given: Mapping[str, str], look_up: Callable[[str], str]
) -> dict[str, Any]:
    """The values of the template's parameters.

    Args:
        document: The template.
        given: Values passed with the request.
        look_up: Reads an SSM parameter.

    Raises:
        TemplateError: A parameter is missing, unknown or not allowed.
    """
    declared = document.get("Parameters", {})
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        value = given.get(name, parameter.get("Default"))
        if value is None:
            raise TemplateError(f"Parameters: [{name}] must have values")
        kind = str(parameter["Type"])
        if kind.startswith(_SSM_PARAMETER):
            value = look_up(str(value))
            kind = kind.removeprefix(_SSM_PARAMETER).removesuffix(">")
        allowed = parameter.get("AllowedValues")
        if allowed is not None and value not in allowed:
            raise TemplateError(f"Parameter '{name}' must be one of AllowedValues")
        is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
        values[name] = [part.strip() for part in str(value).split(",")] if is_list else str(value)
    return values


def failed_rules(document: Mapping[str, Any], scope: Scope) -> list[str]:
    """What the template's rules have against its parameters."""
    failed = []
    for name, rule in document.get("Rules", {}).items():
        if "RuleCondition" in rule and not scope.holds(rule["RuleCondition"]):
            continue
        failed += [
            assertion.get("AssertDescription", f"rule {name} is not satisfied")
            for assertion in rule["Assertions"]
            if not scope.holds(assertion["Assert"])
        ]
    return failed


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
    values = {**pseudo_parameters, **parameter_values(document, given, look_up)}
    scope = Scope(values=values, mappings=document.get("Mappings", {}), exports=exports)
    decide_conditions(document, scope)
    failed = failed_rules(document, scope)
    if failed:
        raise TemplateError(f"Template validation error: {' '.join(failed)}")
    return scope


def decide_conditions(document: Mapping[str, Any], scope: Scope) -> None:
    """Decide the template's conditions, each after those that it names."""
    waiting = dict(document.get("Conditions", {}))
    while waiting:
        ready = [name for name, content in waiting.items() if not _named_conditions(content) & set(waiting)]
        if not ready:
            raise TemplateError(f"Circular dependency between conditions: {', '.join(sorted(waiting))}")
        for name in ready:
            scope.conditions[name] = scope.holds(waiting.pop(name))


def _named_conditions(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for item in value for name in _named_conditions(item)}
    if not isinstance(value, dict):
        return set()
    name, argument = condition_of(value) or ("", None)
    return {str(argument)} if name == "Condition" else {n for item in value.values() for n in _named_conditions(item)}

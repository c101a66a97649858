"""The intrinsic functions of a CloudFormation template, and the values that they can see.

Functions that this does not know are refused by name. Pure.
(docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html)
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_SUBSTITUTION = re.compile(r"\$\{(!?)([^{}]*)\}")
_NO_VALUE = object()


class TemplateError(Exception):
    """The template is wrong, or says something that local AWS does not know."""


@dataclass(frozen=True)
class Made:
    """What a resource that exists answers to `Ref` and `Fn::GetAtt`."""

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Scope:
    """The values that a template's functions can see.

    Attributes:
        values: Pseudo parameters and parameters.
        mappings: The template's section of that name.
        conditions: The template's conditions, decided.
        made: The resources that exist by now.
        exports: Exported outputs of other stacks.
    """

    values: dict[str, Any]
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: dict[str, bool] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    exports: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, value: Any) -> Any:
        """Replace every intrinsic function in a value by what it stands for.

        Raises:
            TemplateError: A function is unknown, wrongly written or refers to nothing.
        """
        resolved = self._resolve(value)
        return None if resolved is _NO_VALUE else resolved

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            items = [self._resolve(item) for item in value]
            return [item for item in items if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        function = function_of(value)
        if function is not None:
            name, argument = function
            if name not in _FUNCTIONS:
                raise TemplateError(f"local AWS does not know the function {name}")
            try:
                return _FUNCTIONS[name](self, argument)
            except (IndexError, KeyError, TypeError, ValueError) as error:
                raise TemplateError(f"{name} is wrongly written: {json.dumps(argument)[:200]} ({error!r})") from error
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def ref(self, name: str) -> Any:
        """The value of `Ref`."""
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self.values:
            return self.values[name]
        if name in self.made:
            return self.made[name].physical_id
        raise TemplateError(f"Ref {name} refers to nothing that exists")

    def attribute(self, logical_id: str, name: str) -> Any:
        """The value of `Fn::GetAtt`."""
        if logical_id not in self.made:
            raise TemplateError(f"Fn::GetAtt {logical_id}.{name} refers to nothing that exists")
        attributes = self.made[logical_id].attributes
        if name not in attributes:
            raise TemplateError(
                f"{logical_id} has no attribute {name}; it has {', '.join(sorted(attributes)) or 'none'}"
            )
        return attributes[name]

    def holds(self, condition: Any) -> bool:
        """Whether a condition or a rule's assertion holds."""
        function = condition_of(condition)
        if function is None:
            raise TemplateError(f"a condition is wrongly written: {json.dumps(condition)[:200]}")
        name, argument = function
        if name == "Condition":
            if argument not in self.conditions:
                raise TemplateError(f"there is no condition {argument}")
            return self.conditions[argument]
        if name == "Fn::Equals":
            first, second = (self.resolve(item) for item in argument)
            return bool(str(first) == str(second))
        if name == "Fn::Contains":
            return self.resolve(argument[1]) in self.resolve(argument[0])
        parts: dict[str, Callable[[], bool]] = {
            "Fn::And": lambda: all(self.holds(part) for part in argument),
            "Fn::Or": lambda: any(self.holds(part) for part in argument),
            "Fn::Not": lambda: not self.holds(argument[0]),
        }
        if name not in parts:
            raise TemplateError(f"local AWS does not know {name} in a condition")
        return parts[name]()


def _find_in_map(scope: Scope, argument: Any) -> Any:
    name, first, second = (scope.resolve(part) for part in argument)
    return scope.mappings[name][first][second]


def _get_attribute(scope: Scope, argument: Any) -> Any:
    logical_id, name = argument.split(".", 1) if isinstance(argument, str) else argument
    return scope.attribute(logical_id, scope.resolve(name))


def _if(scope: Scope, argument: Any) -> Any:
    condition, yes, no = argument
    return scope._resolve(yes if scope.holds({"Condition": condition}) else no)  # noqa: SLF001 - NoValue must pass


def _import_value(scope: Scope, argument: Any) -> str:
    name = scope.resolve(argument)
    if name not in scope.exports:
        raise TemplateError(f"no export named {name} found")
    return scope.exports[name]


def _join(scope: Scope, argument: Any) -> str:
    delimiter, parts = argument
    return str(delimiter).join(str(part) for part in scope.resolve(parts))


def _select(scope: Scope, argument: Any) -> Any:
    index, items = argument
    return scope.resolve(items)[int(scope.resolve(index))]


def _split(scope: Scope, argument: Any) -> list[str]:
    delimiter, text = argument
    return str(scope.resolve(text)).split(delimiter)


def _substitute(scope: Scope, argument: Any) -> str:
    text, variables = (argument, {}) if isinstance(argument, str) else argument
    own = {name: scope.resolve(value) for name, value in variables.items()}

    def replacement(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return f"${{{name}}}"
        if name in own:
            return str(own[name])
        return str(_get_attribute(scope, name) if "." in name else scope.ref(name))

    return _SUBSTITUTION.sub(replacement, text)


_FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "Fn::Base64": lambda scope, value: base64.b64encode(str(scope.resolve(value)).encode()).decode(),
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAtt": _get_attribute,
    "Fn::If": _if,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _substitute,
    "Ref": lambda scope, name: scope.ref(name),
}


def function_of(value: Any) -> tuple[str, Any] | None:
    """The intrinsic function that a value is, and its argument; None for plain values."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((name, argument),) = value.items()
    return (name, argument) if name == "Ref" or name.startswith("Fn::") else None


def condition_of(value: Any) -> tuple[str, Any] | None:
    """The same for what stands where a condition is expected: it may name another one."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("Condition"), str):
        return "Condition", value["Condition"]
    return function_of(value)


def references(value: Any) -> Iterator[str]:
    """Logical ids and parameters that a value refers to."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    if not isinstance(value, dict):
        return
    function: tuple[str, Any] = function_of(value) or ("", None)
    name, argument = function
    if name == "Ref":
        yield str(argument)
    elif name == "Fn::GetAtt":
        yield str(argument.split(".", 1)[0] if isinstance(argument, str) else argument[0])
    elif name == "Fn::Sub":
        text, variables = (argument, {}) if isinstance(argument, str) else argument
        for literal, inner in _SUBSTITUTION.findall(text):
            if not literal and inner not in variables:
                yield inner.split(".", 1)[0]
        yield from references(variables)
    else:
        for item in value.values():
            yield from references(item)

"""Whether an IAM policy allows an action: the part of IAM's evaluation that the policies of this project need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ddb_pipeline_tests.iam_actions import Need


@dataclass(frozen=True)
class Grant:
    """One action on one resource, as a statement allows it."""

    sid: str
    action: str
    resource: str
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def covers(self, need: Need) -> bool:
        """Whether it allows what is needed."""
        if self.action.lower() != need.action.lower() or not like(need.resource, self.resource):
            return False
        told = dict(need.context)
        return all(
            key in told and any(like(told[key], value) if operator.endswith("Like") else told[key] == value
                                for value in values)
            for operator, key, values in self.conditions
        )  # fmt: skip


def grants(document: Mapping[str, Any]) -> Iterator[Grant]:
    """What a policy allows.

    Raises:
        AssertionError: It says something that is not evaluated here.
    """
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        conditions = []
        for operator, keys in statement.get("Condition", {}).items():
            assert operator in {"StringEquals", "StringLike"}, operator
            conditions += [(operator, key, tuple(_listed(values))) for key, values in keys.items()]
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Grant(statement.get("Sid", ""), action, resource, tuple(conditions))


def covered(need: Need, policy: Iterable[Grant]) -> bool:
    """Whether a policy allows what is needed."""
    return any(grant.covers(need) for grant in policy)


def unused(policy: Iterable[Grant], needed: Iterable[Need]) -> set[Grant]:
    """What of a policy nothing needs, each action on each resource by itself."""
    return {grant for grant in policy if not any(grant.covers(need) for need in needed)}


def in_names_of(policy: Iterable[Grant], own: Mapping[str, str], others: Mapping[str, str]) -> list[Grant]:
    """The policy of one stack as it would be for another.

    Args:
        policy: The policy.
        own: Names of what the one stack made, by what they are of.
        others: Names of what the other made.
    """
    # the longest first: names hold shorter ones
    names = sorted(((name, others[of]) for of, name in own.items() if name), key=lambda pair: -len(pair[0]))

    def renamed(text: str) -> str:
        for name, other in names:
            text = text.replace(name, other)
        return text

    return [
        replace(
            grant,
            resource=renamed(grant.resource),
            conditions=tuple(
                (operator, key, tuple(renamed(value) for value in values)) for operator, key, values in grant.conditions
            ),
        )
        for grant in policy
    ]


def like(text: str, pattern: str) -> bool:
    """Whether a text fits a pattern of IAM: `*` is any text, `?` one character, all else itself."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

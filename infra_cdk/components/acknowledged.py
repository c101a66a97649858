"""What the rules of cdk-nag find and what is as it should be all the same, each with its reason, where it is made.

A test runs the pack AwsSolutions over every stage and variant of a stack: nothing else is found, and nothing is
acknowledged that is not found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct

PACK = "AwsSolutions"


def acknowledge(construct: Construct, reasons: Mapping[str, str]) -> None:
    """Say of rules why a construct may break them.

    Args:
        construct: The construct, with all that belongs to it.
        reasons: By the rule's name without the pack's, such as `S1`.
    """
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"{PACK}::{PACK}-{rule}", reason=reason) for rule, reason in reasons.items())
    )


def acknowledge_wildcards(
    holder: Construct, statements: Sequence[iam.PolicyStatement], reasons: Mapping[str, str]
) -> None:
    """Say why statements are for resources that are not named one by one.

    Args:
        holder: The role or policy that holds the statements.
        statements: Its statements.
        reasons: By the statement's sid.

    Raises:
        ValueError: A statement with a `*` in a resource has no reason, or one without has one.
    """
    stack = Stack.of(holder)
    found: dict[str, str] = {}
    explained = set()
    for statement in statements:
        wild = [text for text in (_written(stack.resolve(one)) for one in statement.resources) if "*" in text]
        if wild and statement.sid not in reasons:
            raise ValueError(
                f"{holder.node.path}: the statement {statement.sid} is for {', '.join(wild)}: name the resources, or "
                "say why there is nothing narrower"
            )
        if wild:
            explained.add(statement.sid)
            found |= {f"IAM5[Resource::{text}]": reasons[str(statement.sid)] for text in wild}
    if explained != set(reasons):
        raise ValueError(f"{holder.node.path}: no statement needs the reasons of {sorted(set(reasons) - explained)}")
    if found:
        acknowledge(holder, found)


def _written(value: Any) -> str:
    """A resource as cdk-nag writes it: what CloudFormation puts in stands in angle brackets."""
    match value:
        case {"Ref": str(target)}:
            return f"<{target}>"
        case {"Fn::GetAtt": [str(target), str(attribute)]}:
            return f"<{target}.{attribute}>"
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(_written(part) for part in parts)
    return str(value)

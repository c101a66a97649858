"""Policy statements in one short form: named actions, named resources, and KMS keys only through one service.

No action in this package holds a `*`: a test reads every policy of every template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], conditions: Mapping[str, Any] | None = None
) -> iam.PolicyStatement:
    """A statement that allows the actions on the resources.

    Args:
        sid: What the statement is for, in letters and digits.
        actions: Actions by their full names.
        resources: ARNs.
        conditions: IAM conditions; none by default.
    """
    return iam.PolicyStatement(sid=sid, actions=list(actions), resources=list(resources), conditions=conditions)


def use_key_through(
    scope: Construct,
    service: str,
    key_arn: str,
    actions: Sequence[str],
    context: Mapping[str, str | Sequence[str]] | None = None,
) -> iam.PolicyStatement:
    """A statement that allows the use of a KMS key, but only by way of one AWS service.

    Args:
        scope: Any construct of the stack.
        service: The service's name in `kms:ViaService`, such as `s3`.
        key_arn: ARN of the key.
        actions: KMS actions by their full names.
        context: Encryption context that the service sends, with `*` and `?` as in `StringLike`; any by default.
    """
    stack = Stack.of(scope)
    conditions: dict[str, Any] = {
        "StringEquals": {"kms:ViaService": f"{service}.{stack.region}.{stack.url_suffix}"},
    }
    if context:
        conditions["StringLike"] = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    return allow(f"UseKeyThrough{service.capitalize()}", actions, [key_arn], conditions)


def use_catalog_key(scope: Construct, key_arn: str | None) -> list[iam.PolicyStatement]:
    """What whoever reads or writes the Glue Data Catalog needs where a key of the account's own encrypts it.

    AWS asks for all three actions of every client (glue/latest/dg/set-up-encryption.html; for Athena's:
    athena/latest/ug/access-encrypted-data-glue-data-catalog.html); the encryption context is the catalog's id, which is
    the account's (glue/latest/dg, "Exporting catalog metadata").

    Args:
        scope: Any construct of the stack.
        key_arn: ARN of the key; None: there is none, or it is AWS's own `aws/glue`, which takes no right.
    """
    if key_arn is None:
        return []
    actions = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
    return [use_key_through(scope, "glue", key_arn, actions, {"glue_catalog_id": Stack.of(scope).account})]


def bucket_key_context(bucket_arn: str) -> dict[str, Sequence[str]]:
    """Encryption context of S3: the bucket's ARN with a bucket key, the object's ARN without one."""
    return {"aws:s3:arn": [bucket_arn, f"{bucket_arn}/*"]}

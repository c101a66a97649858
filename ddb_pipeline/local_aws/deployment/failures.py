"""What work on a resource can fail with, and how an event tells it."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from ddb_pipeline.local_aws.deployment.intrinsic_functions import TemplateError
from ddb_pipeline.local_aws.deployment.place import ResourceError

FAILURES = (BotoCoreError, ClientError, KeyError, ResourceError, TemplateError, TypeError, ValueError)
"""The service says no, the template is wrong, a property is missing or of the wrong type."""


def reason_of(error: BaseException) -> str:
    """An error as the reason of an event."""
    if isinstance(error, KeyError):
        return f"the property {error.args[0]} is missing"
    if isinstance(error, ClientError):
        found = error.response.get("Error", {})
        return f"{error.operation_name}: {found.get('Message', 'no message')} ({found.get('Code', 'no code')})"
    return str(error)


def is_gone(error: BaseException) -> bool:
    """Whether deleting failed because somebody had deleted it before: CloudFormation takes that as done."""
    if not isinstance(error, ClientError):
        return False
    code = str(error.response.get("Error", {}).get("Code", ""))
    gone = {"NoSuchEntity", "NoSuchBucket", "NoSuchBucketPolicy", "ParameterNotFound", "EntityNotFoundException"}
    return code in gone or code.startswith(("ResourceNotFound", "NotFoundException"))

"""What went wrong, said in one sentence that tells a person what to do next.

Every error that a user can meet while Dagster runs the pipeline becomes a `PipelineError`. Sensors and schedules skip
with its sentence, runs fail with it; a traceback is for our own defects only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

DEPLOY_ADVICE = "run `ddb-pipeline local up` for stage local, `make deploy STAGE=...` for a stage on AWS"

RESTORE_ADVICE = (
    "stage local: `ddb-pipeline local down`, then `up`, which starts empty; a stage on AWS: deploy with the CDK's "
    "option --revert-drift, since a plain deployment passes over what was deleted or changed by hand"
)
"""For what the stack made and somebody changed (AWS CloudFormation user guide, "Using drift-aware change sets")."""

REPAIR_ADVICE = "run `ddb-pipeline repair`, or launch the pipeline's job that ends in _repair in Dagster"
"""For what is in the Glue catalog, which a repair makes again without touching S3 (docs/repair.md)."""


@dataclass(frozen=True)
class CallAdvice:
    """What to do about a call of AWS that failed, in the words of whoever made it; the defaults suit any project.

    Attributes:
        denied: When the credentials lack a right.
        missing: When what was asked for is not there.
        unreachable: When nothing answers.
        settings_place: Where credentials and region are set, as in "set AWS_REGION in ...".
    """

    denied: str = "give the user or role that right, or use credentials that have it"
    missing: str = "check its name, the region and the account"
    unreachable: str = "check the network and the endpoint"
    settings_place: str = "the environment or the settings of the resource"


STAGE_ADVICE = CallAdvice(
    # the policies follow from pipeline.toml: rights on baselines come with baselines
    denied="give the user or role the stack's managed policies, or use credentials that have them; if pipeline.toml "
    "has changed since the stack was deployed, deploy first",
    missing=DEPLOY_ADVICE,
    unreachable="run `ddb-pipeline local up` for stage local, check network and AWS_ENDPOINT_URL for a stage on AWS",
    settings_place=".env or the environment",
)
"""For calls to what a stage is made of."""


class PipelineError(Exception):
    """Something that a person can act on; the message is one sentence for them.

    Attributes:
        transient: True when the same call may work a little later.
        links: Addresses of pages that tell more, by what they show: Dagster's UI links them.
    """

    def __init__(self, message: str, *, links: Mapping[str, str] | None = None, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient
        self.links = dict(links or {})


class SettingsError(PipelineError):
    """A setting is missing or wrong."""


class AwsSettingsError(SettingsError):
    """What every call of AWS takes is missing or wrong: credentials, their profile, or the region."""


class NotDeployedError(PipelineError):
    """The stack, or something in it, is not there."""


class AwsError(PipelineError):
    """AWS could not be reached, or refused a call."""


# Error codes of the services that the pipeline calls; the same situation has several names across services
# (AWS General Reference, "Common errors"; botocore's retry lists).
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_SKEWED = {"RequestTimeTooSkewed"}
# what the reason of a refused signature begins with when the clock is the cause (AWS IAM user guide, "Troubleshoot
# Signature Version 4 signing": "Signature expired: ... is now earlier than ...", "Signature not yet current: ...")
_SKEWED_REASONS = ("Signature expired", "Signature not yet current")
_UNKNOWN_CREDENTIALS = {
    "AuthFailure",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_CREDENTIALS = _EXPIRED | _SKEWED | _UNKNOWN_CREDENTIALS
_DENIED = {
    "403",
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "Forbidden",
    # without rights on the key of an encrypted Data Catalog (github.com/data-dot-all/dataall/issues/1436 has an answer)
    "GlueEncryptionException",
    "KMSAccessDenied",
    "UnauthorizedOperation",
}
_MISSING = {
    "404",
    "EntityNotFoundException",
    "NoSuchBucket",
    "NotFoundException",
    "ParameterNotFound",
    "ResourceNotFoundException",
}
CUT_SHORT = "AnswerCutShort"
"""Code of our own, for an answer that ended before its length (`resources.whole_answers`)."""

_TRANSIENT = {
    "500",
    "502",
    "503",
    "504",
    CUT_SHORT,
    "InternalError",
    "InternalFailure",
    "InternalFailureException",
    "InternalServerError",
    "InternalServerException",
    "InternalServiceException",
    "KMSThrottlingException",
    "OperationTimeoutException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


@contextmanager
def explained(where: str, advice: CallAdvice = STAGE_ADVICE) -> Iterator[None]:
    """Turn botocore's errors inside the block into an `AwsError` or `NotDeployedError`.

    Args:
        where: What was called, for the reader: an endpoint, or stage and region.
        advice: What to do, where that depends on the caller.

    Raises:
        PipelineError: botocore raised one of its errors; the message says what to do.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise of_client_error(error, where, advice) from error
    except BotoCoreError as error:
        raise of_botocore_error(error, where, advice) from error


def is_transient(error: ClientError) -> bool:
    """Whether a refused call may work a little later (throttling, a fault on the side of AWS)."""
    return _code(error) in _TRANSIENT


def is_denied(error: ClientError) -> bool:
    """Whether a call was refused for want of a right."""
    return _code(error) in _DENIED


def of_client_error(error: ClientError, where: str, advice: CallAdvice) -> PipelineError:
    """Explain a refusal by a service.

    Args:
        error: What botocore raised.
        where: What was called, for the reader.
        advice: What to do, where that depends on the caller.
    """
    code = _code(error)
    call = error.operation_name
    reason = str(error.response.get("Error", {}).get("Message") or "no reason given").strip()
    if code in _CREDENTIALS:
        return _of_credentials(code, f"{call}, {where}", reason, advice)
    if code in _DENIED:
        return AwsError(f"AWS denies {call} ({where}): {reason}: {advice.denied}")
    if code in _MISSING:
        return NotDeployedError(f"{call} finds nothing ({where}): {reason}: {advice.missing}")
    if code in _TRANSIENT:
        return AwsError(f"{call} failed for now ({where}): {code}: {reason}: it will be tried again", transient=True)
    return AwsError(f"{call} failed ({where}): {code}: {reason}")


def _of_credentials(code: str, call: str, reason: str, advice: CallAdvice) -> AwsError:
    if code in _SKEWED or reason.startswith(_SKEWED_REASONS):
        return AwsError(
            f"AWS and this machine disagree on the time ({call}: {reason}): this machine's clock is wrong: set it, and "
            "have it kept right (NTP)"
        )
    if code in _EXPIRED:
        return AwsError(
            f"the AWS credentials have expired ({call}: {reason}): sign in again (such as `aws sso login`), "
            f"or put new ones into {advice.settings_place}"
        )
    return AwsError(
        f"AWS does not accept the credentials ({call}: {code}: {reason}): check AWS_PROFILE, or AWS_ACCESS_KEY_ID, "
        f"AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, in {advice.settings_place}"
    )


def of_botocore_error(error: Exception, where: str, advice: CallAdvice = STAGE_ADVICE) -> PipelineError:
    """Explain an error that botocore raised without an answer from a service.

    Args:
        error: What botocore raised.
        where: What was called, for the reader.
        advice: What to do, where that depends on the caller.
    """
    from botocore import exceptions

    signed_out = (
        exceptions.CredentialRetrievalError,
        exceptions.SSOError,
        exceptions.TokenRetrievalError,
    )
    broken = _of_connection(error, where, advice)
    if broken is not None:
        return broken
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        return AwsSettingsError(
            f"no AWS credentials are configured ({where}): set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY, in {advice.settings_place}"
        )
    if isinstance(error, signed_out):
        return AwsSettingsError(
            f"the AWS credentials cannot be loaded ({error}): sign in again (such as `aws sso login`)"
        )
    if isinstance(error, exceptions.ProfileNotFound):
        return AwsSettingsError(f"{error}: correct AWS_PROFILE in {advice.settings_place}, or configure that profile")
    if isinstance(error, exceptions.NoRegionError):
        return AwsSettingsError(f"no AWS region is configured ({where}): set AWS_REGION in {advice.settings_place}")
    return AwsError(f"AWS could not be called ({where}): {error}")


def _of_connection(error: Exception, where: str, advice: CallAdvice) -> PipelineError | None:
    """Explain a connection that was not made, or that broke; None for another error."""
    from botocore import exceptions

    unreachable = (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.ConnectionClosedError,
        exceptions.ReadTimeoutError,
        exceptions.ProxyConnectionError,
    )
    if isinstance(error, unreachable):
        endpoint = str(error.kwargs.get("endpoint_url") or where)
        return AwsError(f"nothing answers at {_origin(endpoint)}: {advice.unreachable}", transient=True)
    if isinstance(error, (exceptions.HTTPClientError, exceptions.IncompleteReadError)):
        return AwsError(
            f"the connection broke in the middle of an answer ({where}): {error}: it will be tried again",
            transient=True,
        )
    return None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code") or "no error code")


def _origin(endpoint: str) -> str:
    """Scheme, host and port of an endpoint: paths and queries only distract from what does not answer."""
    scheme, mark, rest = endpoint.partition("://")
    return f"{scheme}://{rest.split('/', 1)[0]}" if mark else endpoint

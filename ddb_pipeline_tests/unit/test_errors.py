"""Each failure of AWS becomes one sentence that says what to do."""

from __future__ import annotations

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from ddb_pipeline.errors import (
    CUT_SHORT,
    STAGE_ADVICE,
    AwsError,
    AwsSettingsError,
    CallAdvice,
    NotDeployedError,
    PipelineError,
    explained,
)


def refusal(code: str, message: str = "because") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetTable")


def explanation(error: Exception, advice: CallAdvice = STAGE_ADVICE) -> PipelineError:
    with pytest.raises(PipelineError) as caught, explained("stage dev, eu-central-1", advice):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (refusal("ExpiredTokenException"), AwsError, ["expired", "sign in again"]),
        (refusal("UnrecognizedClientException"), AwsError, ["does not accept the credentials", "AWS_PROFILE"]),
        (refusal("InvalidAccessKeyId"), AwsError, ["does not accept the credentials"]),
        (refusal("SignatureDoesNotMatch", "check your key"), AwsError, ["does not accept the credentials", "your key"]),
        (
            refusal("InvalidSignatureException", "Signature expired: 20260305T1 is now earlier than 20260305T2"),
            AwsError,
            ["this machine's clock is wrong: set it", "is now earlier than"],
        ),
        (refusal("SignatureDoesNotMatch", "Signature not yet current: 20260305T2"), AwsError, ["clock is wrong"]),
        (refusal("RequestTimeTooSkewed", "too large"), AwsError, ["clock is wrong", "too large"]),
        (refusal("AccessDeniedException", "no"), AwsError, ["denies GetTable", "no", "managed policies"]),
        (refusal("GlueEncryptionException", "no key"), AwsError, ["denies GetTable", "no key", "deploy first"]),
        (refusal("EntityNotFoundException"), NotDeployedError, ["GetTable finds nothing", "ddb-pipeline local up"]),
        (refusal("NoSuchBucket"), NotDeployedError, ["ddb-pipeline local up"]),
        (refusal("SomethingNew", "odd"), AwsError, ["GetTable", "SomethingNew", "odd"]),
        (exceptions.NoCredentialsError(), AwsSettingsError, ["no AWS credentials", "AWS_PROFILE"]),
        (exceptions.ProfileNotFound(profile="x"), AwsSettingsError, ["(x)", "AWS_PROFILE"]),
        (exceptions.NoRegionError(), AwsSettingsError, ["AWS_REGION"]),
        (
            exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/path"),
            AwsError,
            ["nothing answers at http://127.0.0.1:1:", "ddb-pipeline local up"],
        ),
        (exceptions.UnauthorizedSSOTokenError(), AwsSettingsError, ["sign in again"]),
        (exceptions.ResponseStreamingError(error="half of it"), AwsError, ["broke in the middle", "half of it"]),
    ],
)
def test_a_failure_is_named_with_what_to_do(error: Exception, kind: type[PipelineError], said: list[str]):
    told = explanation(error)

    assert type(told) is kind
    for words in said:
        assert words in str(told)
    assert "\n" not in str(told)


def test_whoever_calls_says_what_to_do():
    advice = CallAdvice("ask the owner", "make it", "plug it in", "the vault")
    said = {
        refusal("AccessDenied"): ": ask the owner",
        refusal("NoSuchBucket"): ": make it",
        exceptions.ConnectTimeoutError(endpoint_url="https://a.b/c"): "https://a.b: plug it in",
        exceptions.NoRegionError(): "set AWS_REGION in the vault",
        exceptions.NoCredentialsError(): "AWS_SECRET_ACCESS_KEY, in the vault",
        exceptions.ProfileNotFound(profile="x"): "correct AWS_PROFILE in the vault",
        refusal("ExpiredToken"): "new ones into the vault",
        refusal("InvalidClientTokenId"): "AWS_SESSION_TOKEN, in the vault",
    }

    for error, words in said.items():
        assert words in str(explanation(error, advice))


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "KMSThrottlingException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "500",
        "InternalServiceException",
        "ServiceException",
        CUT_SHORT,
    ],
)
def test_what_may_pass_is_marked_so(code: str):
    assert explanation(refusal(code)).transient


def test_a_broken_connection_may_pass():
    assert explanation(exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2)).transient


def test_what_will_not_pass_is_not():
    assert not explanation(refusal("AccessDenied")).transient


def test_a_denied_call_is_told_with_the_rights_that_whoever_made_it_needs():
    with pytest.raises(AwsError) as caught, explained("here", CallAdvice(denied="be an administrator")):
        raise refusal("AccessDenied", "no")

    assert str(caught.value) == "AWS denies GetTable (here): no: be an administrator"


def test_our_own_defects_stay_what_they_are():
    with pytest.raises(ZeroDivisionError), explained("here"):
        raise ZeroDivisionError

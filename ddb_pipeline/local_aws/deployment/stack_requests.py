"""What every request to CloudFormation says: parameters, template, settings that must have a meaning here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError
from moto.core.responses import BaseResponse

from ddb_pipeline.local_aws.deployment.errors import ValidationError
from ddb_pipeline.local_aws.deployment.stack import Stack
from ddb_pipeline.local_aws.deployment.stack_backend import StackBackend, stack_backends

# accepted, and without meaning here: nobody's permissions are checked, and a request is never sent twice
_WITHOUT_EFFECT = {"Capabilities", "ClientRequestToken", "RoleARN"}
_UNDERSTOOD = {
    "DeploymentConfig",
    "DisableRollback",
    "EnableTerminationProtection",
    "OnFailure",
    "Parameters",
    "StackName",
    "Tags",
    "TemplateBody",
    "TemplateURL",
}


class StackRequests(BaseResponse):
    """Reads requests; the operations themselves are in its children."""

    def __init__(self) -> None:
        super().__init__(service_name="cloudformation")
        self.automated_parameter_parsing = True

    @property
    def backend(self) -> StackBackend:
        """The stacks of the request's account and region."""
        return stack_backends[self.current_account][self.region]

    def settings(self, *more: str) -> dict[str, Any]:
        """The request's parameters, all of which must have a meaning here."""
        settings = dict(self.params)
        refused = set(settings) - _UNDERSTOOD - _WITHOUT_EFFECT - set(more)
        if refused:
            raise NotImplementedError(f"{', '.join(sorted(refused))} of this operation")
        refuse_other_modes(settings)
        return settings

    def new_or_previous_template(self, settings: Mapping[str, Any]) -> str | None:
        """The template of a request; None if it says that the stack's own is meant."""
        text = self.template(settings)
        if text is None and not settings.get("UsePreviousTemplate"):
            raise ValidationError("Either Template URL or Template Body must be specified.")
        return text

    def template(self, settings: Mapping[str, Any]) -> str | None:
        """The template of a request; None if there is none in it."""
        if settings.get("TemplateBody"):
            return str(settings["TemplateBody"])
        if not settings.get("TemplateURL"):
            return None
        bucket, key = bucket_and_key(str(settings["TemplateURL"]))
        try:
            return str(self.backend.clients("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8"))
        except ClientError as error:
            raise ValidationError(f"S3 error: {error}") from error
        except UnicodeDecodeError as error:
            raise ValidationError(f"the template is not UTF-8 text: {error}") from error


def refuse_other_modes(settings: Mapping[str, Any]) -> None:
    """Refuse every way to deploy but the standard one, which the CDK's command line always names.

    Raises:
        NotImplementedError: It is another one (API_DeploymentConfig.html).
    """
    config = settings.get("DeploymentConfig") or {}
    if config.get("Mode") not in {None, "STANDARD"} or config.get("DisableRollback"):
        raise NotImplementedError(f"DeploymentConfig {config} of this operation")


def requested_parameters(settings: Mapping[str, Any], stack: Stack | None) -> dict[str, str]:
    """The parameters of a request, those of the stack where it says so."""
    values = {}
    for parameter in settings.get("Parameters") or []:
        name = parameter["ParameterKey"]
        if not parameter.get("UsePreviousValue"):
            values[name] = parameter["ParameterValue"]
        elif stack is None or name not in stack.now.document.get("Parameters", {}):
            raise ValidationError(
                f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true "
                "for a parameter key not in the previous template"
            )
        elif name in stack.now.given:
            values[name] = stack.now.given[name]
    return values


def bucket_and_key(url: str) -> tuple[str, str]:
    """The bucket and key of an S3 URL, with the bucket in the host name or in the path.

    Raises:
        ValidationError: It is none.
    """
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    named = re.fullmatch(r"(.+)\.s3[.-](?:.*\.)?(?:amazonaws\.com|localhost)", host) or re.fullmatch(
        r"(.+)\.(?:s3\.)?localhost", host
    )
    if named is not None:
        return named.group(1), path
    bucket, slash, key = path.partition("/")
    if not slash or not key:
        raise ValidationError(f"TemplateURL must be a supported URL: {url}")
    return bucket, key

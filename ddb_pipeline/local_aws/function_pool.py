"""The functions' processes: one for each function, started when it is first invoked, replaced when it changes."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaFunction

from ddb_pipeline.local_aws.function_process import FunctionProcess

UNZIPPED_BYTES = 262_144_000
"""Largest code, unzipped (dg/gettingstarted-limits.html: 250 MB)."""

_STATE = threading.RLock()


@dataclass
class _Settings:
    """What the functions of this local AWS share."""

    endpoint: str | None = None
    directory: Path | None = None


@dataclass(frozen=True)
class Loaded:
    """A function's process, with what it was started from: a change of that needs another process."""

    state: str
    process: FunctionProcess
    log_stream: str


_SETTINGS = _Settings()
_LOADED: dict[tuple[str, ...], Loaded] = {}


def configure(endpoint: str | None, directory: Path | None) -> None:
    """Say where local AWS is, and which directory is for the functions' code (None: a temporary one)."""
    _SETTINGS.endpoint = endpoint
    _SETTINGS.directory = directory


def end_all() -> None:
    """End all processes and remove the directory with the functions' code."""
    with _STATE:
        ended = list(_LOADED.values())
        _LOADED.clear()
        directory, _SETTINGS.directory = _SETTINGS.directory, None
    for one in ended:
        one.process.end()
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)


def end_functions(account_id: str, region: str, name: str | None = None) -> None:
    """End the processes of one function, or of all functions of an account and region."""
    with _STATE:
        keys = [key for key in _LOADED if key[:2] == (account_id, region) and name in (None, key[2])]
        ended = [_LOADED.pop(key) for key in keys]
    for one in ended:
        one.process.end()


def read_archive(content: bytes) -> zipfile.ZipFile:
    """Open a function's code.

    Raises:
        InvalidParameterValueException: It is no zip file, or too large.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile:
        raise InvalidParameterValueException(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from None
    if sum(entry.file_size for entry in archive.infolist()) > UNZIPPED_BYTES:
        raise InvalidParameterValueException(f"Unzipped size must be smaller than {UNZIPPED_BYTES} bytes")
    return archive


def loaded(function: LambdaFunction, log_group: str) -> Loaded:
    """The function's process; a new one when code or configuration changed."""
    key = (function.account_id, function.region, function.function_name, str(function.version))
    variables = {str(name): str(value) for name, value in (function.environment_vars or {}).items()}
    settings = [function.handler, function.timeout, function.memory_size, variables, log_group]
    state = json.dumps([function.code_sha_256, _SETTINGS.endpoint, *settings])
    with _STATE:
        known = _LOADED.get(key)
        if known is not None and known.state == state:
            return known
        # "$" and brackets are for the log stream's name only
        version = "".join(character for character in str(function.version) if character.isalnum())
        code = _directory() / f"{function.function_name}-{version}-{uuid.uuid4().hex[:12]}"
        code.mkdir(parents=True)
        read_archive(function.code_bytes).extractall(code)
        log_stream = time.strftime("%Y/%m/%d/", time.gmtime()) + f"[{function.version}]{uuid.uuid4().hex}"
        environment = _environment(function, variables, code, log_group, log_stream)
        process = FunctionProcess(code, environment, float(function.timeout), function.function_arn)
        _LOADED[key] = new = Loaded(state, process, log_stream)
    if known is not None:
        known.process.end()
    return new


def _directory() -> Path:
    if _SETTINGS.directory is None:
        _SETTINGS.directory = Path(tempfile.mkdtemp(prefix="local-aws-functions-"))
    return _SETTINGS.directory


def _environment(
    function: LambdaFunction, variables: dict[str, str], code: Path, log_group: str, log_stream: str
) -> dict[str, str]:
    """The process's environment (dg/configuration-envvars.html), with nothing of the user's own."""
    endpoint = {} if _SETTINGS.endpoint is None else {"AWS_ENDPOINT_URL": _SETTINGS.endpoint}
    return {
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": "UTC",
        **variables,
        **endpoint,
        # in the place of its role's credentials: who looks at a request can tell whose it is
        "AWS_ACCESS_KEY_ID": function.function_name,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_LOG_GROUP_NAME": log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "LAMBDA_TASK_ROOT": str(code),
        "_HANDLER": str(function.handler),
    }

"""Which stage the pipeline works on, and how AWS is reached: the environment, else `.env` beside `pipeline.toml`.

Read at each use and never put into `os.environ`, so that a `dagster dev` that was started before
`ddb-pipeline local up` works afterwards without a restart. Pure but for reading the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ddb_pipeline.errors import SettingsError

STAGE_VARIABLE = "DDB_PIPELINE_STAGE"
ENVIRONMENT_FILE = ".env"
DAGSTER_URL_VARIABLE = "DDB_PIPELINE_DAGSTER_URL"
"""Where people reach the Dagster UI, such as https://dagster.example.org: messages link to runs there."""

NO_STAGE = (
    f"no stage is configured: run `ddb-pipeline local up`, or `ddb-pipeline env --stage NAME` for one on AWS, which "
    f"sets {STAGE_VARIABLE} in {ENVIRONMENT_FILE}"
)

CREDENTIALS = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINT = "AWS_ENDPOINT_URL"


@dataclass(frozen=True)
class Connection:
    """How AWS is reached; None leaves a value to boto3's own search."""

    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None

    def __repr__(self) -> str:
        """Show where it leads; secrets never reach a log."""
        return f"Connection(region={self.region!r}, endpoint_url={self.endpoint_url!r}, profile={self.profile!r})"


@dataclass(frozen=True)
class Settings:
    """The stage, and how AWS is reached for it."""

    stage: str
    connection: Connection

    @property
    def where(self) -> str:
        """The place that is called, for error messages."""
        place = self.connection.endpoint_url or self.connection.region or "the profile's region"
        return f"stage {self.stage}, {place}"


def read_settings(directory: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings that hold now.

    A variable of the process wins over the same one in `.env`, with two exceptions that keep together what belongs
    together: `.env` describes one stage, so a process that names another stage passes it over; and credentials and
    region stand beside the endpoint they are for, so an endpoint taken from `.env` brings those of `.env` with it.
    Of the credentials (profile, or key, secret and token) all come from one place.

    Args:
        directory: Folder of `pipeline.toml`, where `.env` is looked for.
        environment: The process' variables; `os.environ` by default.

    Raises:
        SettingsError: No stage is named, or `.env` cannot be read.
    """
    process = _filled(os.environ if environment is None else environment)
    file = _filled(_read_file(directory / ENVIRONMENT_FILE))
    stage = process.get(STAGE_VARIABLE) or file.get(STAGE_VARIABLE)
    if not stage:
        raise SettingsError(NO_STAGE)
    if file.get(STAGE_VARIABLE, stage) != stage:
        file = {}
    places = (file, process) if _ENDPOINT in file and _ENDPOINT not in process else (process, file)
    credentials = next((place for place in places if any(name in place for name in CREDENTIALS)), {})
    return Settings(
        stage=stage,
        connection=Connection(
            region=next((place[name] for place in places for name in _REGION if name in place), None),
            endpoint_url=process.get(_ENDPOINT) or file.get(_ENDPOINT),
            profile=credentials.get("AWS_PROFILE"),
            access_key_id=credentials.get("AWS_ACCESS_KEY_ID"),
            secret_access_key=credentials.get("AWS_SECRET_ACCESS_KEY"),
            session_token=credentials.get("AWS_SESSION_TOKEN"),
        ),
    )


def dagster_url(directory: Path) -> str | None:
    """Return the address of the Dagster UI, if the environment or `.env` says it.

    Args:
        directory: Folder of `pipeline.toml`.
    """
    process = _filled(os.environ)
    try:
        file = _filled(_read_file(directory / ENVIRONMENT_FILE))
    except SettingsError:
        # only a link is missing then
        file = {}
    return process.get(DAGSTER_URL_VARIABLE) or file.get(DAGSTER_URL_VARIABLE)


def _filled(variables: Mapping[str, str | None]) -> dict[str, str]:
    """An empty variable counts as none, as boto3 takes it."""
    return {name: value.strip() for name, value in variables.items() if value and value.strip()}


def _read_file(path: Path) -> Mapping[str, str | None]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        # no interpolation: a `$` in a secret is a `$`
        return dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}): correct it, or run `ddb-pipeline local up`") from error

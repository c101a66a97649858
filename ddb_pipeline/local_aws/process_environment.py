"""The environment variables of a process in which local AWS runs."""

from __future__ import annotations

import os

# The user's own profile and keys: moto and boto3 in this process must not find them.
_WANTED: dict[str, str | None] = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_SESSION_TOKEN": None,
    "AWS_PROFILE": None,
    "AWS_DEFAULT_PROFILE": None,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "MOTO_ACCOUNT_ID": None,
}


def set_environment() -> dict[str, str | None]:
    """Set the variables, or remove them; return what they were."""
    before = {name: os.environ.get(name) for name in _WANTED}
    for name, value in _WANTED.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before


def restore_environment(before: dict[str, str | None]) -> None:
    """Give variables back their values, but leave those that somebody has changed since."""
    for name, value in before.items():
        if os.environ.get(name) != _WANTED[name]:
            continue
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

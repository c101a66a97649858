"""The settings: environment, `.env`, and which of the two wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddb_pipeline.errors import SettingsError
from ddb_pipeline.resources.settings import Connection, Settings, read_settings

LOCAL = """
DDB_PIPELINE_STAGE=local
AWS_ENDPOINT_URL=http://127.0.0.1:4999
AWS_REGION=eu-central-1
AWS_ACCESS_KEY_ID=testing
AWS_SECRET_ACCESS_KEY=se$cret
"""


def write(directory: Path, text: str) -> Path:
    (directory / ".env").write_text(text, encoding="utf-8")
    return directory


def test_without_a_stage_one_sentence_says_what_to_run(tmp_path: Path):
    with pytest.raises(SettingsError, match="no stage is configured: run `ddb-pipeline local up`"):
        read_settings(tmp_path, {})
    with pytest.raises(SettingsError, match="no stage is configured: run `ddb-pipeline local up`"):
        read_settings(write(tmp_path, "DDB_PIPELINE_STAGE=\n"), {"DDB_PIPELINE_STAGE": " "})


def test_the_file_beside_pipeline_toml_is_read_at_each_use(tmp_path: Path):
    with pytest.raises(SettingsError):
        read_settings(tmp_path, {})

    found = read_settings(write(tmp_path, LOCAL), {})

    assert found == Settings(
        "local", Connection("eu-central-1", "http://127.0.0.1:4999", None, "testing", "se$cret", None)
    )


def test_the_process_wins_over_the_file(tmp_path: Path):
    write(tmp_path, "DDB_PIPELINE_STAGE=dev\nAWS_REGION=eu-central-1\nAWS_PROFILE=of-file\n")

    found = read_settings(tmp_path, {"AWS_PROFILE": "of-process", "AWS_DEFAULT_REGION": "us-east-2"})

    assert found == Settings("dev", Connection(region="us-east-2", profile="of-process"))


def test_credentials_come_from_one_place_alone(tmp_path: Path):
    write(tmp_path, "DDB_PIPELINE_STAGE=dev\nAWS_PROFILE=of-file\nAWS_SESSION_TOKEN=of-file\n")

    found = read_settings(tmp_path, {"AWS_ACCESS_KEY_ID": "of-process", "AWS_SECRET_ACCESS_KEY": "of-process"})

    assert found.connection == Connection(access_key_id="of-process", secret_access_key="of-process")


def test_a_profile_of_the_shell_is_not_sent_to_the_endpoint_of_the_file(tmp_path: Path):
    found = read_settings(write(tmp_path, LOCAL), {"AWS_PROFILE": "company", "AWS_REGION": "us-east-2"})

    assert found.connection.profile is None
    assert found.connection.access_key_id == "testing"
    assert found.connection.region == "eu-central-1"


def test_a_process_that_names_another_stage_passes_the_file_over(tmp_path: Path):
    found = read_settings(write(tmp_path, LOCAL), {"DDB_PIPELINE_STAGE": "prod", "AWS_PROFILE": "company"})

    assert found == Settings("prod", Connection(profile="company"))


def test_other_variables_of_the_file_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    found = read_settings(write(tmp_path, LOCAL + "PYTHONPATH=/tmp\nAWS_CONFIG_FILE=/tmp/x\n"), {})

    assert "/tmp" not in repr(vars(found.connection))


def test_a_file_that_is_no_text_is_an_error_that_names_it(tmp_path: Path):
    (tmp_path / ".env").write_bytes(b"DDB_PIPELINE_STAGE=\xff\xfe\n")

    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        read_settings(tmp_path, {})


def test_secrets_are_not_shown():
    assert "secret" not in repr(Settings("local", Connection(secret_access_key="secret", session_token="secret")))

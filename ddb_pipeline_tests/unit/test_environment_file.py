"""The `.env` that `local up` writes, and those that it must not overwrite."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.environment_file import confirm_overwrite, write_environment

SETTINGS = local_stack.environment("http://127.0.0.1:4577")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_our_own_file_is_written_again_for_another_port(file: Path):
    confirm_overwrite(file, SETTINGS, overwrite=False)
    write_environment(file, SETTINGS)

    confirm_overwrite(file, local_stack.environment("http://127.0.0.1:5000"), overwrite=False)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + "MY_SETTING=1\n",
        lambda text: text.replace("DDB_PIPELINE_STAGE=local", "DDB_PIPELINE_STAGE=dev"),
        lambda text: text.replace("http://127.0.0.1:4577", "https://example.com"),
        lambda _text: "DDB_PIPELINE_STAGE=prod\nAWS_PROFILE=company\n",
    ],
)
def test_a_file_that_the_user_edited_is_theirs(file: Path, edit):
    write_environment(file, SETTINGS)
    file.write_text(edit(file.read_text()))

    with pytest.raises(UserError, match=r"has other content.*--yes"):
        confirm_overwrite(file, SETTINGS, overwrite=False)

    confirm_overwrite(file, SETTINGS, overwrite=True)

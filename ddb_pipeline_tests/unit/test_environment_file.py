"""The `.env` that `local up` writes, and those that it must not overwrite."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from dotenv import dotenv_values

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.environment_file import confirm_overwrite, merged, write_environment, write_stage

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


# --- a stage on AWS, put into what is there

DEV = {"DDB_PIPELINE_STAGE": "dev", "AWS_REGION": "eu-central-1", "AWS_PROFILE": "company"}
DEV_LINES = "DDB_PIPELINE_STAGE=dev\nAWS_REGION=eu-central-1\nAWS_PROFILE=company\n"


def test_a_file_that_is_not_there_is_made(file: Path):
    assert write_stage(file, DEV)

    assert file.read_text().endswith(DEV_LINES)
    assert not write_stage(file, DEV)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "EDITOR=vi\n\n# mine\nexport A='b c'", "EDITOR=vi\n\n# mine\nexport A='b c'\n" + DEV_LINES, id="others"
        ),
        pytest.param(
            "DDB_PIPELINE_STAGE=dev\nAWS_PROFILE=old\nAWS_SESSION_TOKEN=t\nX=1\n",
            "DDB_PIPELINE_STAGE=dev\nAWS_PROFILE=company\nAWS_SESSION_TOKEN=t\nX=1\nAWS_REGION=eu-central-1\n",
            id="the same stage",
        ),
        pytest.param(
            "DDB_PIPELINE_STAGE=prod\nAWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY='b\nc'\nX=1\n",
            "DDB_PIPELINE_STAGE=dev\n# of stage prod: AWS_ACCESS_KEY_ID=a\n# of stage prod: AWS_SECRET_ACCESS_KEY='b\n"
            "# of stage prod: c'\nX=1\nAWS_REGION=eu-central-1\nAWS_PROFILE=company\n",
            id="another stage",
        ),
        pytest.param("AWS_REGION=a\nX='\nAWS_REGION=b\n'\n", None, id="a value of several lines"),
        pytest.param(
            "AWS_REGION=a\nAWS_REGION=b\n",
            "AWS_REGION=eu-central-1\nDDB_PIPELINE_STAGE=dev\nAWS_PROFILE=company\n",
            id="twice",
        ),
    ],
)
def test_what_the_user_has_there_stays(before: str, after: str | None):
    text = merged(before, DEV)

    if after is not None:
        assert text == after
    assert merged(text, DEV) == text
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    assert {name: found[name] for name in DEV} == DEV
    kept = dotenv_values(stream=io.StringIO(before), interpolate=False)
    assert {name: found[name] for name in kept if not name.startswith(("AWS_", "DDB_"))} == {
        name: value for name, value in kept.items() if not name.startswith(("AWS_", "DDB_"))
    }


@pytest.mark.parametrize("profile", ["my profile #1", "it's", 'a"b', "back\\slash", "größe"])
def test_a_profile_of_any_name_is_read_as_it_is(file: Path, profile: str):
    write_stage(file, {**DEV, "AWS_PROFILE": profile})

    assert dotenv_values(file, interpolate=False)["AWS_PROFILE"] == profile
    assert not write_stage(file, {**DEV, "AWS_PROFILE": profile})


def test_a_link_stays_a_link(file: Path):
    elsewhere = file.with_name("elsewhere")
    elsewhere.write_text("EDITOR=vi\n")
    file.symlink_to(elsewhere)

    write_stage(file, DEV)

    assert file.is_symlink()
    assert elsewhere.read_text() == "EDITOR=vi\n" + DEV_LINES


def test_what_local_up_wrote_leads_nowhere_any_more(file: Path):
    write_environment(file, SETTINGS)

    write_stage(file, {"DDB_PIPELINE_STAGE": "dev", "AWS_REGION": "eu-west-1"})

    found = dotenv_values(file)
    assert found == {"DDB_PIPELINE_STAGE": "dev", "AWS_REGION": "eu-west-1"}
    assert "Written by `ddb-pipeline local up`" not in file.read_text()


def test_a_file_that_only_its_owner_may_read_stays_so(file: Path):
    file.write_text("SECRET=1\n")
    file.chmod(0o600)

    write_stage(file, DEV)

    assert file.stat().st_mode & 0o777 == 0o600

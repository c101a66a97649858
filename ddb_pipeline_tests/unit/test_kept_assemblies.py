"""Assemblies of the local stage are synthesized once: which sources make which assembly, what becomes of old ones."""

import os
from contextlib import contextmanager

import pytest

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.kept_assemblies import KEPT, cache_folder, fingerprint, keep, take
from ddb_pipeline.declaration import Declaration


@pytest.fixture
def packages(tmp_path):
    """Two packages as the project has them, and their declaration."""
    for name in ("infra_cdk/app.py", "infra_cdk/cdk.json", "ddb_pipeline/names.py", "ddb_pipeline/cli/dev.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / "pipeline.toml").write_text("[stages.local]")
    return tmp_path


def key_of(packages, stage="local"):
    return fingerprint(packages / "pipeline.toml", stage, packages)


@pytest.mark.parametrize("edited", ["infra_cdk/cdk.json", "infra_cdk/new.py", "ddb_pipeline/names.py", "pipeline.toml"])
def test_whatever_a_synthesis_reads_makes_another_assembly(packages, edited):
    before = key_of(packages)
    assert key_of(packages) == before
    (packages / edited).write_text("edited")
    assert key_of(packages) != before


def test_a_file_that_moves_makes_another_assembly(packages):
    before = key_of(packages)
    (packages / "infra_cdk" / "app.py").rename(packages / "infra_cdk" / "app2.py")
    assert key_of(packages) != before


def test_stage_context_and_version_of_the_cdk_make_another_assembly(packages, monkeypatch):
    keys = [key_of(packages), key_of(packages, stage="dev")]
    monkeypatch.setenv("CDK_CONTEXT_JSON", '{"stage": "dev"}')
    keys.append(key_of(packages))
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "99")
    keys.append(key_of(packages))
    assert len(set(keys)) == 4


def test_what_no_synthesis_reads_makes_no_other_assembly(packages):
    before = key_of(packages)
    (packages / "ddb_pipeline" / "cli" / "dev.py").write_text("edited")
    (packages / "infra_cdk" / "__pycache__").mkdir()
    (packages / "infra_cdk" / "__pycache__" / "app.pyc").write_text("compiled")
    assert key_of(packages) == before


def test_a_kept_assembly_comes_back_whole_and_replaces_what_was_there(tmp_path):
    made, again, cache = tmp_path / "made", tmp_path / "again", tmp_path / "cache"
    (made / "asset.1").mkdir(parents=True)
    (made / "asset.1" / "function.py").write_text("code")
    (made / "manifest.json").write_text("{}")
    again.mkdir()
    (again / "of-another-pipeline.json").write_text("{}")
    keep("key", made, cache)
    assert take("key", again, cache)
    assert sorted(path.name for path in again.rglob("*")) == ["asset.1", "function.py", "manifest.json"]
    assert not take("other", again, cache)


def test_keeping_twice_and_keeping_many_leaves_the_newest(tmp_path):
    made, cache = tmp_path / "made", tmp_path / "cache"
    made.mkdir()
    keep("0", made, cache)
    for number in range(KEPT + 2):
        keep(str(number), made, cache)
        os.utime(cache / str(number), (number, number))
    keep("newest", made, cache)
    names = {path.name for path in cache.iterdir()}
    assert len(names) == KEPT
    assert "newest" in names
    assert "0" not in names


def test_a_cache_that_cannot_be_written_is_none(tmp_path):
    made, not_a_folder = tmp_path / "made", tmp_path / "file"
    made.mkdir()
    not_a_folder.write_text("")
    keep("key", made, not_a_folder)
    assert not take("key", tmp_path / "again", not_a_folder)


def test_without_a_home_folder_there_is_no_cache(tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", no_home)
    keep("key", tmp_path)
    assert not take("key", tmp_path / "again")


def test_the_cache_is_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ddb-change-analytics" / "assemblies"


def test_a_relative_cache_folder_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "ddb-change-analytics" / "assemblies"


def test_the_second_start_of_a_stage_synthesizes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "pipeline.toml"
    file.write_text("")
    declaration = Declaration(file, {}, {})
    started = []

    class Process:
        returncode = 0

        def communicate(self):
            return "", ""

    @contextmanager
    def process_group(command, *, env, **_options):
        started.append(env["DDB_PIPELINE_FILE"])
        (tmp_path / command[-1]).mkdir()
        (tmp_path / command[-1] / "manifest.json").write_text("{}")
        yield Process()

    monkeypatch.setattr(local_stack, "process_group", process_group)
    for name in ("first", "second"):
        directory = local_stack.synthesize(declaration, tmp_path / name)
        assert (directory / "manifest.json").read_text() == "{}"
    assert started == [str(file)]
    file.write_text("# edited")
    local_stack.synthesize(declaration, tmp_path / "third")
    assert len(started) == 2

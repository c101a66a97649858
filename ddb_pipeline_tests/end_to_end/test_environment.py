"""`tools/environment.sh`, which every make target runs first: what it says where Python does not suit."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from ddb_pipeline_tests.conftest import REPOSITORY


@pytest.fixture
def checkout(tmp_path):
    """A checkout without an environment, in a path with a space, and a folder for the Pythons that are found."""
    checkout = tmp_path / "a checkout"
    (checkout / "tools").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "tools/environment.sh"):
        shutil.copy(REPOSITORY / name, checkout / name)
    (checkout / "bin").mkdir()
    return checkout


def set_up(checkout, **pythons: str) -> subprocess.CompletedProcess[str]:
    """Run the script where only these programs are called Python."""
    for name, script in pythons.items():
        program = checkout / "bin" / name.replace("_", ".")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    # what the script itself needs; no folder in which a real Python lies
    for tool in ("sh", "dirname", "cat", "cksum", "tr", "rm", "mkdir"):
        (checkout / "bin" / tool).symlink_to(shutil.which(tool))
    return subprocess.run(
        ["sh", "tools/environment.sh", "infra,local"],
        cwd=checkout,
        env={"PATH": str(checkout / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python_at_all(checkout):
    done = set_up(checkout)
    assert done.returncode == 1
    assert "Python 3.11 to 3.14 is needed; found here: none." in done.stderr


def test_a_python_that_is_too_old_is_named(checkout):
    done = set_up(checkout, python3='case "$2" in *print*) echo 3.9 ;; *) exit 1 ;; esac')
    assert done.returncode == 1
    assert "found here: python3 (3.9)." in done.stderr


def test_a_shim_that_does_not_run_is_passed_over(checkout):
    done = set_up(checkout, python3_13="exit 127", python3='case "$2" in *print*) echo 3.9 ;; *) exit 1 ;; esac')
    assert "found here: python3 (3.9)." in done.stderr


def test_a_python_without_venv_says_what_to_install(checkout):
    done = set_up(checkout, python3_11='case "$2" in *ensurepip*) exit 1 ;; *print*) echo 3.11 ;; esac')
    assert done.returncode == 1
    assert "sudo apt-get install python3.11-venv" in done.stderr


def test_nothing_is_done_twice(checkout):
    """With the environment in place and the files unchanged, the script says and does nothing."""
    (checkout / ".venv" / "bin").mkdir(parents=True)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (checkout / ".venv" / "installed").mkdir()
    parts = [(checkout / name).read_bytes() for name in ("pyproject.toml", "constraints.txt", "tools/environment.sh")]
    checksum = subprocess.run(["cksum"], input=b"".join(parts), capture_output=True, check=True).stdout.decode()
    for extra in ("infra", "local"):
        (checkout / ".venv" / "installed" / extra).write_text(checksum.replace(" ", "").strip())
    done = set_up(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

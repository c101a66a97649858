"""Cloud assemblies that were synthesized before: the same sources give the same templates, and synthesis takes seconds.

Kept in the user's cache folder, under a hash of everything that a synthesis reads. Nothing is lost with them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ddb_pipeline.names import PROJECT

KEPT = 10
"""How many assemblies stay; the one used longest ago goes first. One takes less than a megabyte."""

_PACKAGES = Path(__file__).parents[2]
_READ = ("infra_cdk", "ddb_pipeline")
_NOT_READ = ("ddb_pipeline/cli/", "ddb_pipeline/local_aws/")
"""Of the two packages, what the CDK app does not import (a test of the house rules holds that)."""
_DISTRIBUTIONS = ("aws-cdk-lib", "constructs", "jsii")
_NO_CACHE = (OSError, shutil.Error, RuntimeError)
"""What is raised where there is no cache, or no home folder to look for it."""


def cache_folder() -> Path:
    """Return where assemblies are kept: `XDG_CACHE_HOME`, else `~/.cache` (XDG Base Directory Specification)."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # the specification has relative paths ignored
    base = named if named.is_absolute() else Path.home() / ".cache"
    return base / PROJECT / "assemblies"


def fingerprint(declaration_file: Path, stage: str, packages: Path = _PACKAGES) -> str:
    """Return a hash of what a synthesis reads: the declaration, the sources, the versions of Python and the CDK.

    Args:
        declaration_file: `pipeline.toml`.
        stage: The stage that is synthesized.
        packages: Folder of the two packages.
    """
    digest = hashlib.sha256()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _DISTRIBUTIONS]
    context = os.environ.get("CDK_CONTEXT_JSON", "")
    for text in (sys.version, *versions, context, stage):
        digest.update(text.encode() + b"\0")
    digest.update(declaration_file.read_bytes() + b"\0")
    for path in _sources(packages):
        digest.update(path.relative_to(packages).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def take(key: str, directory: Path, folder: Path | None = None) -> bool:
    """Copy a kept assembly into a directory.

    Args:
        key: Its fingerprint.
        directory: Where to; what is there is replaced.
        folder: Where assemblies are kept; `cache_folder()` by default.

    Returns:
        Whether it was there.
    """
    try:
        kept = (folder or cache_folder()) / key
        os.utime(kept)
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(kept, directory)
    except _NO_CACHE:
        # not there, or another process is just removing it: synthesis makes it anew
        shutil.rmtree(directory, ignore_errors=True)
        return False
    return True


def keep(key: str, directory: Path, folder: Path | None = None) -> None:
    """Keep an assembly under its fingerprint; where the cache cannot be written, nothing is kept.

    Args:
        key: Its fingerprint.
        directory: The assembly.
        folder: Where assemblies are kept; `cache_folder()` by default.
    """
    with suppress(*_NO_CACHE):
        folder = folder or cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        # under another name until it is whole; a rename onto one that is there already fails, and need not succeed
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as unfinished:
            (shutil.copytree(directory, Path(unfinished) / key)).rename(folder / key)
        kept = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_age, reverse=True)
        for path in kept[KEPT:]:
            shutil.rmtree(path, ignore_errors=True)


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _sources(packages: Path) -> Iterable[Path]:
    for package in _READ:
        for path in sorted((packages / package).rglob("*")):
            place = path.relative_to(packages).as_posix()
            if path.is_file() and "__pycache__" not in place and not place.startswith(_NOT_READ):
                yield path

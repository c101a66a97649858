"""What `pip install .` installs: the two packages with every file that they read, and nothing else.

The tests run on the source tree, where nothing can be missing; so what pyproject.toml says is held to the tree.
"""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

from ddb_pipeline_tests.unit.test_house_rules import PACKAGES, REPOSITORY, files_of_the_project


def setuptools_settings():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def packages():
    """Every folder of the project that is a package, by its dotted name."""
    folders = {path.parent.relative_to(REPOSITORY) for path in files_of_the_project() if path.name == "__init__.py"}
    return {".".join(folder.parts) for folder in folders}


def installed(names):
    """Those that setuptools takes: it compares whole dotted names (setuptools.discovery.PackageFinder)."""
    patterns = setuptools_settings()["packages"]["find"]["include"]
    return {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}


def test_the_two_packages_are_installed_whole_and_the_tests_are_not():
    assert {name.partition(".")[0] for name in packages()} > set(PACKAGES), "the tests are a package as well"
    assert installed(packages()) == {name for name in packages() if name.partition(".")[0] in PACKAGES}


def test_each_file_that_is_no_module_of_a_package_is_installed_as_data():
    """SQL, marks for type checkers, settings of the CDK, and the code of Lambda functions, which is in no package."""
    data = {
        path
        for package, patterns in setuptools_settings()["package-data"].items()
        for pattern in patterns
        for path in (REPOSITORY / package).glob(pattern)
    }
    needed: set[Path] = {
        path
        for path in files_of_the_project()
        if path.relative_to(REPOSITORY).parts[0] in PACKAGES
        and not (path.suffix == ".py" and (path.parent / "__init__.py").is_file())
    }
    assert len(needed) > 20
    assert needed - data == set()

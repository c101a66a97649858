"""Every component of the stack says what it takes: arguments and settings of pipeline.toml, and what holds without."""

import ast
import json
import re
from pathlib import Path

import pytest

from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.toml_table import IN_NO_STAGE
from ddb_pipeline_tests.parsed import parsed

REPOSITORY = Path(__file__).parents[2]
FILES = [REPOSITORY / "infra_cdk" / "stack.py", *sorted((REPOSITORY / "infra_cdk" / "components").glob("*.py"))]


def components(*files):
    """Every class with a constructor of its own, with its file."""
    for file in files or FILES:
        for node in parsed(file).body:
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                        yield pytest.param(node, method.args, id=f"{file.stem}.{node.name}")


def described(component):
    """What the section Args of the docstring says, by argument."""
    _, _, section = (ast.get_docstring(component) or "").partition("\nArgs:\n")
    section = re.split(r"\n\n?(?=\S)", section)[0]
    entries = re.split(r"\n(?=    \S)", "\n" + section)
    return {
        name.strip().lstrip("*"): text for name, _, text in (entry.partition(":") for entry in entries if entry.strip())
    }


def arguments(found):
    """Every argument but self, and whether it has a default."""
    positional = [*found.posonlyargs, *found.args][1:]
    defaults = [*[None] * (len(positional) - len(found.defaults)), *found.defaults]
    pairs = [*zip(positional, defaults, strict=True), *zip(found.kwonlyargs, found.kw_defaults, strict=True)]
    named = {argument.arg: default is not None for argument, default in pairs}
    return named | ({found.kwarg.arg: True} if found.kwarg else {})


@pytest.mark.parametrize(("component", "constructor"), list(components()))
def test_every_argument_is_described_and_so_is_what_holds_without_it(component, constructor):
    said, taken = described(component), arguments(constructor)

    assert list(said) == list(taken), "in the order of the constructor"
    assert [name for name, text in said.items() if not text.strip()] == []
    assert [name for name, optional in taken.items() if optional and "default" not in said[name].lower()] == []


# --- what comes through a pipeline or a stage

REQUIRED = """
[pipelines.persons]
partition_key = { name = "pk", type = "S" }
start_date = 2026-01-01

[stages.dev]
"""
DECLARED = ("Pipeline", "Stage")
# what is computed of settings
OF = {"key_attributes": ("partition_key", "sort_key"), "buffer_mebibytes_for": ("buffer_mebibytes",)}


@pytest.fixture(scope="module")
def defaults(tmp_path_factory):
    """What holds where the file says nothing, by class."""
    file = tmp_path_factory.mktemp("defaults") / "pipeline.toml"
    file.write_text(REQUIRED, encoding="utf-8")
    found = load_declaration(file)
    return {"Pipeline": found.pipelines["persons"], "Stage": found.stages["dev"]}


def settings(module, component, argument):
    """Every setting that a component and its file's functions read of an argument."""
    parts = [component, *(node for node in module.body if isinstance(node, ast.FunctionDef))]
    read = {
        node.attr
        for part in parts
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == argument
    }
    return {name for attribute in read - {"name"} for name in OF.get(attribute, (attribute,))}


def is_said(text, name, value):
    """Whether a text says a setting and its default as the file writes it: `name` (default 60), (default none: why)."""
    if f"{name} =" in REQUIRED:
        held = "required"
    else:
        held = "default none" if value in (None, (), IN_NO_STAGE) else f"default {json.dumps(value)}"
    return re.search(rf"`{name}` \({re.escape(held)}[,:)]", text) is not None


def readers():
    """Every component that is given a pipeline or a stage, with the argument and its class."""
    for file in FILES:
        module = parsed(file)
        for component, taken in (parameter.values for parameter in components(file)):
            for argument in [*taken.args, *taken.kwonlyargs]:
                kind = ast.unparse(argument.annotation) if argument.annotation else ""
                if kind in DECLARED:
                    read = settings(module, component, argument.arg)
                    yield pytest.param(component, argument.arg, kind, read, id=f"{component.name}-{argument.arg}")


@pytest.mark.parametrize(("component", "argument", "kind", "read"), list(readers()))
def test_every_setting_that_is_read_is_said_with_its_default(component, argument, kind, read, defaults):
    text = " ".join(described(component)[argument].split())
    assert read
    assert [name for name in sorted(read) if not is_said(text, name, getattr(defaults[kind], name))] == []


def test_all_components_are_seen():
    assert len(list(components())) > 10

"""Every component of the stack says what it takes: each argument of its constructor, and what holds without it."""

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FILES = [REPOSITORY / "infra_cdk" / "stack.py", *sorted((REPOSITORY / "infra_cdk" / "components").glob("*.py"))]


def components():
    """Every class with a constructor of its own, with its file."""
    for file in FILES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
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


def test_all_components_are_seen():
    assert len(list(components())) > 10

"""The functions behind the stack's custom resources as Lambda loads them, and time that does not pass."""

import importlib
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ddb_pipeline_tests.unit.custom_resources.requests import LambdaContext

FOLDER = Path(__file__).parents[3] / "infra_cdk" / "functions" / "custom_resources"


@pytest.fixture(scope="module")
def functions():
    """The modules as Lambda loads them: the functions' folder is the import path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        names = ("custom_resource", "streaming_destination", "bucket_emptier")
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """No test waits; how long a function would have."""
    found = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


@pytest.fixture
def clock(functions):
    return functions.custom_resource.Clock(LambdaContext(), time.time() + 60)

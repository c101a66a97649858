"""What integration tests of several parts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.stacks import Stacks


@pytest.fixture
def stacks(deployed: Deployed) -> Iterator[Stacks]:
    """Stacks of the test's own; they are gone, or can't be, when it has ended."""
    made = Stacks(deployed.endpoint)
    yield made
    for name in made.names:
        made.client("cloudformation").delete_stack(StackName=name)
        made.settled_or_gone(name)

"""What end-to-end tests share."""

from __future__ import annotations

import pytest

from ddb_pipeline.cli.cdk import fetch_cdk
from ddb_pipeline.cli.console import UserError


@pytest.fixture(scope="session")
def cdk_command_line() -> None:
    """The CDK's own command line, from the npm registry. Where no registry answers, tests of it are skipped, and the
    summary of the tests says so with the sentence that a user would read."""
    try:
        fetch_cdk()
    except UserError as error:
        pytest.skip(str(error))

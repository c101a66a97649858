"""`cdk synth --strict`: the CDK's own command line has nothing to warn of.

It comes from the npm registry: without one this test is skipped, with the sentence that a user reads.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ddb_pipeline.cli.cdk import fetch_cdk, run_cdk
from ddb_pipeline_tests.unit.infra_templates import assembly

pytestmark = pytest.mark.usefixtures("cdk_command_line")


def test_every_stack_of_every_stage_passes(tmp_path: Path):
    log = tmp_path / "said"
    arguments = ["synth", "--all", "--strict", "--quiet"]

    code = run_cdk(arguments, program=fetch_cdk(), assembly=assembly(), environment=dict(os.environ), log=log)

    assert code == 0, log.read_text()
    assert "warning" not in log.read_text().lower()

"""`make prove` in small: two hundred random lives through the real path, half with baselines of each source."""

from __future__ import annotations

import re

import pytest

from ddb_pipeline_tests.end_to_end.processes import command

LIVES = 100


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("baseline", ["snapshot", "export"])
def test_nothing_differs_and_every_wrong_rule_is_caught(baseline, tmp_path):
    arguments = ["ddb_pipeline_tests.proof", "--lives", str(LIVES), "--baseline", baseline]
    with command(arguments, tmp_path) as proof:
        # the seed is in the output
        assert proof.wait(1180) == 0, proof.output
        output = proof.output
    assert f"{LIVES} lives: nothing differs" in output
    assert "wrong rules: nothing differs" in output
    # what came too late for a snapshot is healed by another one; an export lacks nothing
    assert output.count("baseline made") == (3 if baseline == "snapshot" else 2)
    (late,) = re.findall(r"(\d+) changes that came too late: nothing differs", output)
    assert (int(late) > 0) == (baseline == "snapshot")

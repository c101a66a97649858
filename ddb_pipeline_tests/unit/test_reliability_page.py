"""docs/reliability.md promises what is tested: its table and the fault suite name each other."""

from __future__ import annotations

import re

from ddb_pipeline_tests.conftest import REPOSITORY


def test_the_table_names_every_test_of_the_fault_suite_and_no_other():
    page = (REPOSITORY / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`test_" in line]
    named = [name for row in rows for name in re.findall(r"`(test_\w+)`", row.rsplit("|", 2)[1])]
    suite = [
        name
        for path in (REPOSITORY / "ddb_pipeline_tests" / "faults").glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert sorted(named) == sorted(suite)

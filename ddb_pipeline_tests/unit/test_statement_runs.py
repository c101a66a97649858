"""Statements in Athena that outlive the process which started them, against a played Athena."""

import pytest

from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.athena import AthenaQueryError
from ddb_pipeline.resources.statement_runs import StatementFailedError, StatementRuns
from ddb_pipeline.resources.testing import FakeAthena
from ddb_pipeline.resources.testing.fake_client import refusal
from ddb_pipeline.resources.waiting import Waiting


def statement_runs(athena: FakeAthena) -> tuple[StatementRuns, Waiting]:
    waiting = Waiting(60, clock=lambda: athena.now, sleep=athena.sleep)
    return StatementRuns(athena, "workgroup", "database", "raise scan_cutoff_mebibytes"), waiting


def test_a_statement_is_found_by_its_token_and_says_what_it_wrote():
    athena = FakeAthena()
    athena.answer("INSERT", rows_written=9, scanned=77)
    runs, waiting = statement_runs(athena)
    notes: list[str] = []
    query_id = runs.start("INSERT", "t" * 32)

    assert runs.start("INSERT", "t" * 32) == query_id
    finished = runs.wait(query_id, waiting, notes.append)
    assert (finished.rows_written, finished.bytes_scanned, notes) == (9, 77, [f"query {query_id}"])


def test_a_statement_goes_on_when_nobody_waits_any_more():
    athena = FakeAthena()
    athena.answer("INSERT", rows_written=9, seconds=1000)
    runs, waiting = statement_runs(athena)

    with pytest.raises(Exception, match=r"waited 60 s for Athena query .*waits for this query and starts no other"):
        runs.wait(runs.start("INSERT", "t" * 32), waiting, lambda _line: None)
    assert athena.queries[0].stopped is None


def test_a_statement_that_scans_too_much_says_which_setting_to_raise():
    athena = FakeAthena()
    athena.answer("INSERT", cancelled="Bytes scanned limit was exceeded")
    runs, waiting = statement_runs(athena)

    with pytest.raises(StatementFailedError, match=r"limit was exceeded .*: raise scan_cutoff_mebibytes"):
        runs.wait(runs.start("INSERT", "t" * 32), waiting, lambda _line: None)


def test_the_same_token_with_another_statement_is_refused():
    athena = FakeAthena()
    runs, _ = statement_runs(athena)
    runs.start("INSERT", "t" * 32)

    with pytest.raises(AthenaQueryError, match="Idempotent parameters do not match"):
        runs.start("INSERT 2", "t" * 32)


def test_rows_written_that_cannot_be_read_are_an_error_of_this_project(monkeypatch: pytest.MonkeyPatch):
    athena = FakeAthena()
    athena.answer("INSERT", rows_written=9)
    runs, waiting = statement_runs(athena)
    query_id = runs.start("INSERT", "t" * 32)

    def denied(**_page: object) -> None:
        raise refusal("AccessDeniedException", "no s3:GetObject")

    monkeypatch.setattr(athena, "get_query_results", denied)
    with pytest.raises(PipelineError, match="no s3:GetObject: give the user or role the stack's managed policies"):
        runs.wait(query_id, waiting, lambda _line: None)

"""How an answer is printed: a table where it fits, else row by row; nothing in it reaches the terminal unchecked."""

from __future__ import annotations

import pytest

from ddb_pipeline.cli.console import console
from ddb_pipeline.cli.query import print_rows
from ddb_pipeline.resources.athena import QueryResult


def answer(columns: list[str], *rows: tuple[object, ...]) -> QueryResult:
    return QueryResult("id", tuple((name, "varchar") for name in columns), rows, 0, 0, "https://example.com")


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 80)


def test_an_answer_that_fits_is_a_table(capsys: pytest.CaptureFixture[str]):
    print_rows("title", answer(["event_name", "changes"], ("INSERT", 3), (None, True)))

    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == ["title"]
    assert lines[1] == ["event_name", "changes"]
    assert lines[3:] == [["INSERT", "3"], ["null", "true"]]


def test_an_answer_that_is_wider_is_printed_row_by_row_with_whole_values(capsys: pytest.CaptureFixture[str]):
    item = '{"person":{"name":"' + "x" * 300 + '"}}'

    print_rows(None, answer(["pk", "item", "image"], ("a", item, item), ("b", item, None)), most=1)

    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines == ["row 1", "pk     a", f"item   {item}", f"image  {item}"]


def test_many_columns_are_not_cut_to_nothing(capsys: pytest.CaptureFixture[str]):
    columns = [f"column_{number}" for number in range(30)]

    print_rows(None, answer(columns, tuple(columns)))

    out = capsys.readouterr().out
    assert all(f"{name:<11}{name}" in out for name in columns)


def test_what_an_item_holds_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]):
    print_rows(None, answer(["value"], ("\x1b[2J\r\n[bold]x[/] \u202e é 日本",)))

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[2J\\r\\n[bold]x[/] \\u202e é 日本" in out

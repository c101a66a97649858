"""What the Athena resource makes of results, against a played Athena: types, cost, and pages that do not come."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import EndpointConnectionError

from ddb_pipeline.resources.athena import AthenaQueryError
from ddb_pipeline.resources.testing import FakeAthena
from ddb_pipeline.resources.testing.fake_client import refusal

TERABYTE = 10**12


@pytest.fixture
def athena() -> FakeAthena:
    played = FakeAthena()
    played.answer("SELECT", [("x", 1), (None, None), ("", 0)], ["a", "b"], scanned=20_000_000)
    return played


def test_rows_come_as_tuples_and_null_as_none(athena: FakeAthena):
    result = athena.resource().execute("SELECT")

    assert result.rows == (("x", 1), (None, None), ("", 0))
    assert result.columns == (("a", "varchar"), ("b", "bigint"))
    assert result.records[0] == {"a": "x", "b": 1}


def test_each_value_has_the_python_type_of_its_column(athena: FakeAthena):
    """Texts as Athena writes them (user guide, "Data types in Athena")."""
    texts = {
        "boolean": ("true", True),
        "tinyint": ("1", 1),
        "bigint": ("-9223372036854775808", -(2**63)),
        "double": ("1.0E-5", 1e-5),
        "decimal": ("1.10", Decimal("1.10")),
        "varchar": ("1", "1"),
        "varbinary": ("68 69", b"hi"),
        "date": ("2026-03-05", date(2026, 3, 5)),
        "timestamp": ("2026-03-05 12:00:00.123", datetime.fromisoformat("2026-03-05T12:00:00.123")),
        "timestamp with time zone": ("2026-03-05 12:00:00.000 UTC", datetime(2026, 3, 5, 12, tzinfo=UTC)),
        "time": ("12:00:01.000", time(12, 0, 1)),
        "json": ('{"a": [1, null]}', {"a": [1, None]}),
        "array": ("[a, b]", "[a, b]"),
        "map": ("{a=null}", "{a=null}"),
        "row": ("{a=x, b=1}", "{a=x, b=1}"),
    }
    columns = {f"c{place}": kind for place, kind in enumerate(texts)}
    athena.answer("SELECT all", [[text for text, _value in texts.values()], [None] * len(texts)], columns)

    result = athena.resource().execute("SELECT all")

    assert result.rows == (tuple(value for _text, value in texts.values()), (None,) * len(texts))


def test_the_played_athena_gives_back_what_it_was_told(athena: FakeAthena):
    """Arrays and rows as text, as Athena does, and as they are in a column of type json."""
    columns: dict[str, Any] = {
        "boolean": True,
        "bigint": 2**60,
        "double": 0.1,
        "decimal": Decimal("1.10"),
        "varchar": "None of it",
        "varbinary": b"hi",
        "date": date(2026, 3, 5),
        "timestamp": datetime(2026, 3, 5, 12, 0, 0, 123456),  # noqa: DTZ001 - the type without a zone
        "timestamp with time zone": datetime(2026, 3, 5, 12, tzinfo=timezone(timedelta(hours=2))),
        "time": time(1, 2, 3, 456),
    }
    athena.answer("SELECT told", [tuple(columns.values()), (None,) * len(columns)], list(columns))
    told = athena.resource().execute("SELECT told")
    assert told.columns == tuple((kind, kind) for kind in columns)
    assert told.rows == (tuple(columns.values()), (None,) * len(columns))
    zoned = datetime(2026, 3, 5, 12, tzinfo=UTC)
    athena.answer("SELECT zoned", [(zoned, zoned.astimezone(ZoneInfo("Europe/Berlin")))])
    assert athena.resource().execute("SELECT zoned").rows == ((zoned, zoned),)

    nested = ["None of it", None, "null", {"k": None}]
    athena.answer("SELECT nested", [(nested, nested, {"k": None})], {"text": "array", "value": "json", "row": "row"})
    assert athena.resource().execute("SELECT nested").rows == (
        ("[None of it, null, null, {k=null}]", nested, "{k=null}"),
    )


def test_the_played_athena_refuses_a_row_that_does_not_fit(athena: FakeAthena):
    with pytest.raises(ValueError, match=r"the row \(1,\) has 1 values: there are 2 columns"):
        athena.answer("SELECT short", [(1,)], ["a", "b"])


def test_a_value_that_python_cannot_hold_names_the_query(athena: FakeAthena):
    athena.answer("SELECT odd", [("2026-03-05 12:00:00.000 Nowhere/Land",)], {"a": "timestamp with time zone"})

    with pytest.raises(
        AthenaQueryError, match=r"result of Athena query .* could not be read: Column 'a': Unknown time zone"
    ) as caught:
        athena.resource().execute("SELECT odd")
    assert (caught.value.transient, caught.value.query_id) == (False, athena.queries[0].query_id)


@pytest.mark.parametrize(
    ("kind", "text"), [("date", "+12026-01-01"), ("timestamp", "-0001-01-01 00:00:00.000"), ("decimal", "much")]
)
def test_a_value_beyond_pythons_range_is_an_error_that_says_what_to_do(athena: FakeAthena, kind: str, text: str):
    athena.answer("SELECT far", [(text,)], {"a": kind})

    with pytest.raises(AthenaQueryError, match=r"could not be read: .*: CAST what Python cannot hold to varchar$"):
        athena.resource().execute("SELECT far")


def test_all_pages_are_read(athena: FakeAthena):
    athena.answer("SELECT many", [(number,) for number in range(2500)], ["n"])

    assert [row[0] for row in athena.resource().execute("SELECT many").rows] == list(range(2500))


def test_a_statement_without_result_has_no_rows(athena: FakeAthena):
    athena.answer(re.compile("^CREATE"), kind="DDL")

    result = athena.resource().execute("CREATE OR REPLACE VIEW v AS SELECT 1 AS a")

    assert (result.columns, result.rows, result.rows_written) == ((), (), None)


def test_a_statement_that_writes_says_how_many_rows(athena: FakeAthena):
    athena.answer(re.compile("^INSERT"), rows_written=7)

    assert athena.resource().execute("INSERT INTO t SELECT 1").rows_written == 7


def test_the_result_says_what_the_query_took_and_cost_and_where_it_is(athena: FakeAthena):
    result = athena.resource().execute("SELECT")

    query_id = athena.queries[0].query_id
    assert (result.query_id, result.data_scanned_in_bytes, result.engine_milliseconds) == (query_id, 20_000_000, 1000)
    assert result.estimated_dollars == pytest.approx(20e6 / TERABYTE * 5)
    assert result.console_url == (
        f"https://eu-central-1.console.aws.amazon.com/athena/home?region=eu-central-1#/query-editor/history/{query_id}"
    )


@pytest.mark.parametrize(
    ("scanned", "kind", "dollars"),
    [(0, "DML", 0), (1, "DML", 1e-5), (TERABYTE, "DML", 1), (0, "DDL", 0), (TERABYTE, "DDL", 1)],
)
def test_a_scan_costs_as_much_as_ten_megabytes_at_least_whatever_scanned_and_no_scan_nothing(
    athena: FakeAthena, scanned: int, kind: str, dollars: float
):
    athena.answer("SELECT 2", scanned=scanned, kind=kind)

    assert athena.resource(terabyte_dollars=1).execute("SELECT 2").estimated_dollars == dollars


# --- pages that do not come


class Refusing(FakeAthena):
    """Refuses pages of results, by what it is told: an error, or None for a page."""

    def __init__(self, refused: Callable[["Refusing"], Exception | None]) -> None:
        super().__init__()
        self.answer("SELECT", [(1,)])
        self.calls = 0
        self._refused = refused

    def get_query_results(self, **page: Any) -> dict[str, Any]:
        self.calls += 1
        error = self._refused(self)
        if error:
            raise error
        return super().get_query_results(**page)


UNREACHABLE = EndpointConnectionError(endpoint_url="https://athena.eu-central-1.amazonaws.com")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDeniedException", r"AWS denies .*no s3:GetObject: give the user or role that right"),
        ("ExpiredTokenException", "credentials have expired"),
        ("InvalidRequestException", "Athena refuses get_query_results of query .*no s3:GetObject"),
    ],
)
def test_a_refused_page_says_why_at_once(code: str, said: str):
    athena = Refusing(lambda _athena: refusal(code, "no s3:GetObject"))

    with pytest.raises(AthenaQueryError, match=said) as caught:
        athena.resource().execute("SELECT")

    assert (athena.calls, caught.value.transient) == (1, False)
    assert caught.value.links["query"].endswith(str(caught.value.query_id))


@pytest.mark.parametrize("error", [refusal("ThrottlingException", "slower"), UNREACHABLE])
def test_throttling_and_a_lost_network_are_waited_out_between_pages(error: Exception):
    athena = Refusing(lambda athena: error if athena.now < 100 else None)

    assert athena.resource().execute("SELECT").rows == ((1,),)
    assert 100 <= athena.now < 120


def test_pages_that_do_not_come_until_the_deadline_may_come_later():
    athena = Refusing(lambda _athena: refusal("ThrottlingException", "slower"))

    with pytest.raises(
        AthenaQueryError, match=r"waited 60 s for get_query_results .*: the query is done: run"
    ) as caught:
        athena.resource().execute("SELECT", deadline_seconds=60)

    assert (caught.value.transient, athena.queries[0].stopped) == (True, None)


def test_a_network_that_stays_away_between_pages_is_an_error_that_may_pass():
    athena = Refusing(lambda _athena: UNREACHABLE)

    with pytest.raises(AthenaQueryError, match="nothing answers at https://athena") as caught:
        athena.resource().execute("SELECT")

    assert (caught.value.transient, athena.now < 200) == (True, True)

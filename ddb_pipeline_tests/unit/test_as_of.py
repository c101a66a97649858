"""`query --as-of`: which moments it takes, and how a past state gets in front of a user's query."""

from datetime import UTC, datetime

import pytest
import sqlglot

from ddb_pipeline.cli.as_of import moment, views_in, with_queries
from ddb_pipeline.cli.console import UserError

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
KNOWN = ("latest_item_state", "change_counts")
PAST = {"latest_item_state": "SELECT 1 AS item -- the end"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-01T12:00Z", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T12:00:00.000001+01:00", datetime(2026, 11, 1, 11, 0, 0, 1, tzinfo=UTC)),
        ("2026-11-01 12:00+00:00", datetime(2026, 11, 1, 12, tzinfo=UTC)),
    ],
)
def test_a_moment_with_its_time_zone_is_taken(text, found):
    assert moment(text, NOW) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-01T12:00", "says no time zone: write 2026-11-01T12:00Z for UTC"),
        ("2026-11-01", "says no time zone: write 2026-11-01T00:00Z for UTC"),
        ("yesterday", "not a moment in ISO 8601"),
        ("2026-11-26T12:00:01Z", "lies in the future; it is 2026-11-26T12:00:00Z"),
    ],
)
def test_any_other_is_refused_in_a_sentence(text, said):
    with pytest.raises(UserError) as caught:
        moment(text, NOW)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT * FROM latest_item_state", ["latest_item_state"]),
        ('select * from "LATEST_ITEM_STATE" s join Change_Counts on true', list(KNOWN)),
        ("-- of change_counts\nSELECT 'change_counts' FROM latest_item_state", ["latest_item_state"]),
        ("(SELECT latest_item_state.item FROM latest_item_state)", ["latest_item_state"]),
        ("WITH a AS (SELECT * FROM change_counts) SELECT * FROM a", ["change_counts"]),
    ],
)
def test_the_views_of_a_query_are_found_outside_of_text_and_comments(sql, found):
    assert views_in(sql, KNOWN, "db") == found


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "takes one query"),
        ("DROP VIEW latest_item_state", "takes one query"),
        ("SELECT * FROM changes", "reads none of the views"),
        ("SELECT 'latest_item_state'", "reads none of the views"),
        ("SELECT * FROM db.latest_item_state", "write latest_item_state without db."),
        ('SELECT * FROM "DB" . "latest_item_state"', "write latest_item_state without db."),
    ],
)
def test_a_query_that_would_not_see_the_past_is_refused(sql, said):
    with pytest.raises(UserError) as caught:
        views_in(sql, KNOWN, "db")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM latest_item_state", ["latest_item_state"]),
        ("SELECT * FROM latest_item_state ; -- done", ["latest_item_state"]),
        (
            "/* WITH */ with a AS (SELECT item FROM latest_item_state), b AS (SELECT 1) SELECT * FROM a, b",
            ["latest_item_state", "a", "b"],
        ),
        ("WITH RECURSIVE r(n) AS (SELECT 1) SELECT * FROM r, latest_item_state", ["latest_item_state", "r"]),
        ("SELECT * FROM (WITH a AS (SELECT * FROM latest_item_state) SELECT * FROM a)", ["latest_item_state"]),
    ],
)
def test_the_past_state_is_the_first_named_query(sql, names):
    parsed = sqlglot.parse_one(with_queries(sql, PAST), dialect="athena")
    assert [cte.alias for cte in parsed.args["with_" if "with_" in parsed.args else "with"].expressions] == names

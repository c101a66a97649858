"""How long a cron expression may be silent: what raw retention has to cover."""

from datetime import timedelta

import pytest

from ddb_pipeline.cron import longest_gap


@pytest.mark.parametrize(
    ("cron", "days", "minutes"),
    [
        ("*/15 * * * *", 0, 15),
        ("0 3 * * *", 1, 0),
        ("5/15 3 * * *", 0, 23 * 60 + 15),
        ("0 3 * * 0", 7, 0),
        ("0 3 * * 7", 7, 0),
        ("0 3 * * 1-5", 3, 0),
        ("0 0 1 * *", 31, 0),
        ("0 0 31 * *", 61, 0),
        ("0 0 1 1 *", 366, 0),
    ],
)
def test_the_longest_pause_between_two_ticks(cron, days, minutes):
    assert longest_gap(cron) == timedelta(days=days, minutes=minutes)


def test_a_day_of_the_month_or_a_weekday_is_enough_where_both_are_given():
    assert longest_gap("0 3 1 * 0") == timedelta(days=7)


def test_ticks_that_are_years_apart_have_no_gap_that_counts():
    assert longest_gap("0 0 29 2 *") is None

"""Cron expressions as AWS reads them."""

from datetime import UTC, datetime

import pytest

from ddb_pipeline.local_aws.crawler.cron import Cron, InvalidScheduleError


# 2026-01-05 is a Monday
@pytest.mark.parametrize(
    ("expression", "moment", "is_due"),
    [
        ("cron(15 12 * * ? *)", (2026, 1, 5, 12, 15), True),
        ("cron(15 12 * * ? *)", (2026, 1, 5, 12, 16), False),
        ("cron(0/15 * * * ? *)", (2026, 1, 5, 3, 45), True),
        ("cron(0/15 * * * ? *)", (2026, 1, 5, 3, 46), False),
        ("cron(0 18 ? * MON-FRI *)", (2026, 1, 5, 18, 0), True),
        ("cron(0 18 ? * MON-FRI *)", (2026, 1, 4, 18, 0), False),
        ("cron(0 8 ? * 1 *)", (2026, 1, 4, 8, 0), True),
        ("cron(0 8 1,15 JAN,mar ? 2026)", (2026, 3, 15, 8, 0), True),
        ("cron(0 8 1,15 JAN,mar ? 2026)", (2027, 3, 15, 8, 0), False),
        ("cron(5 8-10/2 * * ? *)", (2026, 3, 15, 10, 5), True),
        ("cron(5 8-10/2 * * ? *)", (2026, 3, 15, 9, 5), False),
        ("cron(0,58 3,8 * * ? *)", (2026, 3, 15, 3, 58), True),
    ],
)
def test_a_schedule_names_minutes(expression, moment, is_due):
    assert Cron.parse(expression).matches(datetime(*moment, tzinfo=UTC)) is is_due


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("15 12 * * ? *", "six fields"),
        ("cron(15 12 * * ?)", "six fields"),
        ("cron(15 12 * * * *)", r"must be \?"),
        ("cron(15 12 ? * ? *)", r"must be \?"),
        ("cron(60 12 * * ? *)", "no minutes"),
        ("cron(15 24 * * ? *)", "no hours"),
        ("cron(15 12 ? * XYZ *)", "no day of week"),
        ("cron(15 12 L * ? *)", "no day of month"),
        ("cron(15 12 ? * 6#3 *)", "does not know"),
        ("cron(15 12 5-1 * ? *)", "no day of month"),
        ("cron(0/0 12 * * ? *)", "no minutes"),
        ("cron(* * * * ? *)", "faster than 5"),
        ("cron(0,3 1 * * ? *)", "faster than 5"),
        ("cron(0,58 * * * ? *)", "faster than 5"),
    ],
)
def test_what_is_no_schedule_is_told(expression, reason):
    with pytest.raises(InvalidScheduleError, match=reason):
        Cron.parse(expression)

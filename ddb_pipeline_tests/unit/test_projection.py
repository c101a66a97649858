"""Projected hours: those that Athena computes from the parameters are the folders that Firehose writes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ddb_pipeline import projection
from ddb_pipeline.arrivals import hour_prefix, hour_values
from ddb_pipeline.change_row import PARTITION_COLUMNS
from ddb_pipeline.local_aws.athena.projection import project, read_projection

NOW = datetime(2026, 11, 27, 6, 30, tzinfo=UTC)
PARAMETERS = projection.parameters(date(2025, 3, 4))
LOCATION = "s3://bucket/changes/"


@pytest.fixture(scope="module")
def projected():
    columns = [column.name for column in PARTITION_COLUMNS]
    found = read_projection("changes", PARAMETERS, columns, LOCATION, NOW)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("hour", "is_covered"),
    [
        (datetime(2024, 12, 31, 23, tzinfo=UTC), False),
        (datetime(2025, 1, 1, tzinfo=UTC), True),
        (datetime(2025, 3, 3, 23, tzinfo=UTC), True),
        (datetime(2026, 2, 3, 4, tzinfo=UTC), True),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), True),
        (datetime(2027, 1, 1, tzinfo=UTC), False),
    ],
)
def test_an_hour_is_covered_if_athena_projects_it(projected, hour: datetime, is_covered: bool):
    values = hour_values(hour)
    assert projection.covers(PARAMETERS, hour, NOW) == is_covered
    assert all(value in of_column for value, of_column in zip(values, projected.values, strict=True)) == is_covered
    assert project(projected, values).location == f"{LOCATION}{hour_prefix(hour)}"


def test_a_year_has_this_many_folders_whatever_it_holds(projected):
    years, months, days, hours = projected.values
    assert years == ("2025", "2026")
    assert len(months) * len(days) * len(hours) == 8928


def test_the_year_that_begins_is_there_at_once():
    begins = datetime(2027, 1, 1, tzinfo=UTC)
    columns = [column.name for column in PARTITION_COLUMNS]
    found = read_projection("changes", PARAMETERS, columns, LOCATION, begins)
    assert found is not None
    assert found.values[0] == ("2025", "2026", "2027")
    assert projection.covers(PARAMETERS, begins, begins)
    assert not projection.covers(PARAMETERS, begins, begins - timedelta(seconds=1))


def test_a_range_of_somebody_else_is_no_range_of_ours():
    with pytest.raises(ValueError, match=r"projection.year.range is '2025,2030'"):
        projection.covers({**PARAMETERS, projection.YEARS: "2025,2030"}, NOW, NOW)

"""Firehose prefixes follow the rules of AWS's page on custom prefixes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ddb_pipeline.change_row import ERRORS_PREFIX, PARTITION_PREFIX, STORAGES
from ddb_pipeline.local_aws.delivery.prefixes import InvalidPrefixError, Prefixes, formatted_time

INSTANT = datetime(2018, 7, 6, 23, 4, 5, tzinfo=UTC)


def evaluated(prefix, error_output_prefix):
    prefixes = Prefixes.of(prefix, error_output_prefix)
    return prefixes.for_delivered(INSTANT), prefixes.for_failed(INSTANT)


@pytest.mark.parametrize(
    ("prefix", "error_output_prefix", "delivered", "failed"),
    [
        (None, "f/!{firehose:error-output-type}/", "2018/07/06/23/", "f/processing-failed/"),
        ("mine/", None, "mine/2018/07/06/23/", "mine/processing-failed/2018/07/06/23/"),
        (None, None, "2018/07/06/23/", "processing-failed/2018/07/06/23/"),
        (
            "a/year=!{timestamp:yyyy}/hour=!{timestamp:HH}/",
            "b/!{timestamp:'year='yyyy'/month='MM'/day='dd'/hour='HH}/!{firehose:error-output-type}",
            "a/year=2018/hour=23/",
            "b/year=2018/month=07/day=06/hour=23/processing-failed",
        ),
        (
            STORAGES["json"].prefix + PARTITION_PREFIX,
            ERRORS_PREFIX + "!{firehose:error-output-type}/" + PARTITION_PREFIX,
            "changes/year=2018/month=07/day=06/hour=23/",
            "errors/processing-failed/year=2018/month=07/day=06/hour=23/",
        ),
    ],
)
def test_prefixes_evaluate_as_documented(prefix, error_output_prefix, delivered, failed):
    assert evaluated(prefix, error_output_prefix) == (delivered, failed)


def test_without_a_timestamp_the_hour_is_appended():
    delivered, _ = evaluated("!{firehose:random-string}/", "!{firehose:error-output-type}/")

    assert delivered.endswith("/2018/07/06/23/")
    assert len(delivered.split("/")[0]) == 11


def test_each_random_string_is_another():
    delivered, _ = evaluated("!{firehose:random-string}!{firehose:random-string}/", "!{firehose:error-output-type}/")

    assert delivered[:11] != delivered[11:22]


@pytest.mark.parametrize(
    ("prefix", "error_output_prefix", "reason"),
    [
        ("!{timestamp:yyyy}/", None, "can't be null"),
        ("!{firehose:error-output-type}/", "x/!{firehose:error-output-type}/", "can't contain"),
        ("a/", "!{timestamp:yyyy}/", "must contain !{firehose:error-output-type}"),
        ("!{partitionKeyFromQuery:pk}/", "!{firehose:error-output-type}/", "partitionKeyFromQuery"),
        ("a/", "!{partitionKeyFromLambda:pk}/!{firehose:error-output-type}/", "partitionKeyFromLambda"),
        ("!{timestamp}/", "x/!{firehose:error-output-type}/", "namespace:value"),
        ("!{timestamp:yyyy", "x/!{firehose:error-output-type}/", "namespace:value"),
        ("!{timestamp:}/", "x/!{firehose:error-output-type}/", "empty"),
        ("!{timestamp:YYYY}/", "x/!{firehose:error-output-type}/", "YYYY"),
        ("!{timestamp:hh}/", "x/!{firehose:error-output-type}/", "hh"),
        ("!{timestamp:'open}/", "x/!{firehose:error-output-type}/", "quote"),
        ("x" * 500 + "!{timestamp:yyyy-MM-dd-HH}", "x/!{firehose:error-output-type}/", "512"),
    ],
)
def test_broken_rules_are_named(prefix, error_output_prefix, reason):
    with pytest.raises(InvalidPrefixError, match=reason):
        Prefixes.of(prefix, error_output_prefix)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd'T'HH:mm:ss", "2018-07-06T23:04:05"),
        ("yyyyMMddHHmmss", "20180706230405"),
        ("''HH''", "'23'"),
        ("'o''clock' HH", "o'clock 23"),
    ],
)
def test_timestamps_are_formatted_as_java_does(pattern, text):
    assert formatted_time(pattern, INSTANT) == text


def test_timestamps_are_utc_unless_another_time_zone_is_asked_for():
    errors = "e/!{firehose:error-output-type}/!{timestamp:HH}/"

    assert Prefixes.of("!{timestamp:HH}/", errors).for_delivered(INSTANT) == "23/"
    zoned = Prefixes.of("!{timestamp:dd/HH}/", errors, "Europe/Berlin")
    assert zoned.for_delivered(INSTANT.astimezone(timezone(timedelta(hours=5)))) == "07/01/"
    assert zoned.for_failed(INSTANT) == "e/processing-failed/01/"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc", "UTC+1"])
def test_a_time_zone_that_does_not_exist_is_refused(zone):
    with pytest.raises(InvalidPrefixError, match="CustomTimeZone"):
        Prefixes.of("a/", None, zone)

"""UpdateDestination: another configuration from the next object on, told by the version in its name."""

from __future__ import annotations

import gzip

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.local_aws import delivery
from ddb_pipeline_tests.integration.delivery.conftest import wait_until


def test_an_update_keeps_what_it_does_not_name_and_raises_the_version(path):
    path.create()
    path.put("a")
    assert delivery.wait_until_delivered(10)
    path.update(Prefix="later/!{timestamp:yyyy}/")
    wait_until(lambda: path.describe()["VersionId"] == "2")
    path.put("b")
    assert delivery.wait_until_delivered(10)

    [first], [second] = path.objects("changes/"), path.objects("later/")
    assert f"/{path.name}-1-" in first
    assert f"/{path.name}-2-" in second
    assert gzip.decompress(path.objects("later/")[second]) == b"b"
    [destination] = path.describe()["Destinations"]
    described = destination["ExtendedS3DestinationDescription"]
    assert described["Prefix"] == "later/!{timestamp:yyyy}/"
    assert described["ProcessingConfiguration"]["Enabled"]
    assert described["CompressionFormat"] == "GZIP"
    assert destination["S3DestinationDescription"]["Prefix"] == "later/!{timestamp:yyyy}/"


def test_what_is_buffered_goes_where_the_old_configuration_says(path):
    path.create(function=None, BufferingHints={"IntervalInSeconds": 900, "SizeInMBs": 5})
    path.put("a")
    wait_until(lambda: path.counts().read == 1)
    path.update(Prefix="later/!{timestamp:yyyy}/", BufferingHints={"IntervalInSeconds": 0, "SizeInMBs": 5})
    wait_until(lambda: path.counts().objects == 1)
    path.put("b")
    assert delivery.wait_until_delivered(10)

    assert path.delivered() == b"a"
    assert [gzip.decompress(body) for body in path.objects("later/").values()] == [b"b"]


def test_a_processor_can_be_taken_away(path):
    path.create()
    path.put("drop")
    assert delivery.wait_until_delivered(10)
    path.update(ProcessingConfiguration={"Enabled": False})
    wait_until(lambda: path.describe()["VersionId"] == "2")
    path.put("drop")
    assert delivery.wait_until_delivered(10)

    assert path.delivered() == b"drop"


@pytest.mark.parametrize(
    ("version", "settings", "error"),
    [
        ("2", {"Prefix": "x/"}, "ConcurrentModificationException"),
        ("1", {"Prefix": "!{timestamp:YYYY}/"}, "InvalidArgumentException.*YYYY"),
        ("1", {"S3BackupMode": "Enabled"}, "InvalidArgumentException.*S3BackupMode"),
        ("1", {"DynamicPartitioningConfiguration": {"Enabled": True}}, "InvalidArgumentException.*DynamicPartitioning"),
        ("1", {"ErrorOutputPrefix": ""}, "InvalidArgumentException.*ErrorOutputPrefix"),
    ],
)
def test_an_update_that_is_refused_changes_nothing(path, version, settings, error):
    path.create()
    before = path.describe()
    with pytest.raises(ClientError, match=error):
        path.update(version, **settings)
    assert path.describe() == before


def test_there_is_one_destination_and_one_delivery_stream_to_update(path):
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        path.update(Prefix="x/")
    path.create()
    with pytest.raises(ClientError, match=r"InvalidArgumentException.*destinationId-9"):
        path.update(destination="destinationId-9", Prefix="x/")

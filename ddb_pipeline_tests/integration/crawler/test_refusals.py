"""What a local crawler does not do is refused by its name, and what AWS refuses as AWS does."""

import json

import pytest

from ddb_pipeline_tests.integration.crawler.conftest import CONFIGURATION, crawler_settings, error_of


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {
                "Targets": {
                    "S3Targets": [{"Path": "s3://b/"}],
                    "CatalogTargets": [{"DatabaseName": "d", "Tables": ["t"]}],
                }
            },
            "either S3Targets or CatalogTargets",
        ),
        ({"Targets": {"DynamoDBTargets": [{"Path": "persons"}]}}, "DynamoDBTargets"),
        ({"Targets": {"CatalogTargets": [], "JdbcTargets": []}}, "CatalogTargets"),
        ({"Targets": {"CatalogTargets": [{"DatabaseName": "d", "Tables": ["t"], "EventQueueArn": "q"}]}}, "EventQueue"),
        ({"SchemaChangePolicy": {"UpdateBehavior": "LOG"}}, "DeleteBehavior"),
        ({"SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"}}, "UpdateBehavior"),
        ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}}, "Crawl new folders only"),
        ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVENT_MODE"}}, "CRAWL_EVENT_MODE"),
        ({"Schedule": "rate(5 minutes)"}, "Schedule"),
        ({"Schedule": "cron(0/4 * * * ? *)"}, "faster than 5 minutes"),
        ({"Classifiers": ["mine"]}, "Classifiers"),
        ({"TablePrefix": "raw_"}, "TablePrefix"),
        ({"LineageConfiguration": {"CrawlerLineageSettings": "ENABLE"}}, "LineageConfiguration"),
        ({"Configuration": "{}"}, "InheritFromTable"),
        ({"Configuration": "not json"}, "Configuration"),
        ({"Configuration": "[]"}, "Configuration"),
        ({"Configuration": json.dumps(CONFIGURATION | {"CreatePartitionIndex": True})}, "CreatePartitionIndex"),
    ],
)
def test_what_the_local_crawler_does_not_do_is_refused_by_name(glue, names, changes, named):
    error = error_of(glue.create_crawler, **crawler_settings(f"{names}-2", **changes))
    assert error["Code"] == "InvalidInputException"
    assert named in error["Message"]
    assert error_of(glue.update_crawler, Name=names, **changes)["Code"] == "InvalidInputException"


def test_a_second_crawler_of_the_same_name_is_refused(glue, names):
    assert error_of(glue.create_crawler, **crawler_settings(names))["Code"] == "AlreadyExistsException"


def s3_settings(name, **changes):
    settings = crawler_settings(name, Targets={"S3Targets": [{"Path": "s3://bucket/a/"}]}, DatabaseName=name, **changes)
    return {key: value for key, value in settings.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"DatabaseName": None}, "DatabaseName"),
        ({"Targets": {"S3Targets": [{"Path": "bucket/a"}]}}, "Path"),
        ({"Targets": {"S3Targets": [{"Path": "s3://b/", "SampleSize": 250}]}}, "SampleSize"),
        ({"Targets": {"S3Targets": [{"Path": "s3://b/", "EventQueueArn": "q"}]}}, "EventQueueArn"),
        ({"TablePrefix": "x" * 65}, "TablePrefix"),
        ({"SchemaChangePolicy": {"UpdateBehavior": "SOMETIMES"}}, "UpdateBehavior"),
        ({"Configuration": json.dumps({"CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "x"}}})}, "MergeNewColumns"),
        ({"Configuration": json.dumps({"Grouping": {"TableLevelConfiguration": 0}})}, "TableLevelConfiguration"),
        ({"Configuration": json.dumps({"Grouping": {"x": 0}})}, "x"),
        (
            {"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}, "SchemaChangePolicy": {}},
            'The SchemaChangePolicy for "Crawl new folders only"',
        ),
    ],
)
def test_an_s3_target_is_refused_by_the_name_of_what_is_wrong(glue, names, changes, named):
    given = {**s3_settings(f"{names}-2"), **changes}
    given = {key: value for key, value in given.items() if value is not None}
    error = error_of(glue.create_crawler, **given)
    assert error["Code"] == "InvalidInputException"
    assert named in error["Message"]


def test_targets_of_a_crawler_of_new_folders_cannot_be_changed(glue, names):
    recrawl = {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}
    glue.create_crawler(**s3_settings(f"{names}-2", RecrawlPolicy=recrawl))
    targets = {"S3Targets": [{"Path": "s3://bucket/b/"}]}
    assert error_of(glue.update_crawler, Name=f"{names}-2", Targets=targets)["Code"] == "InvalidInputException"

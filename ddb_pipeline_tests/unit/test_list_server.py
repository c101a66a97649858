"""The server of names lists as moto's S3 does, so what is measured on it holds."""

from __future__ import annotations

import random
from typing import Any

import boto3
from moto import mock_aws

from ddb_pipeline_tests.list_server import Names

BUCKET = "bucket"


def keys(chance: random.Random) -> list[str]:
    parts = ["a", "a-b", "a0", "hour=03", "hour=03-x", "hour=030", "Z", "é", "a b&<"]
    return sorted({"/".join(chance.choices(parts, k=chance.randrange(1, 5))) for _ in range(60)})


def all_pages(list_page: Any) -> list[tuple[list[str], list[str]]]:
    pages, token = [], ""
    while True:
        found, groups, token = list_page(token)
        pages.append((found, groups))
        if not token:
            return pages


@mock_aws
def test_names_are_listed_as_moto_lists_them():
    client: Any = boto3.client("s3", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    chance = random.Random(1)
    for round_number in range(2):
        bucket, stored = f"{BUCKET}-{round_number}", keys(chance)
        client.create_bucket(Bucket=bucket)
        for key in stored:
            client.put_object(Bucket=bucket, Key=key, Body=b"")
        names = Names(stored)
        for _ in range(15):
            prefix = chance.choice(["", "a", "a/", "hour=03", "hour=03/", "nothing"])
            delimiter, most = chance.choice(["", "/"]), chance.choice([1, 2, 7, 1000])
            # a list with delimiter never starts inside of a group here, and what S3 would do then is not documented
            after = chance.choice(["", prefix, "hour=03", "hour=030", "zz", *([] if delimiter else stored)])
            expected, asked = [], {"StartAfter": after} if after else {}
            paginator = client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": most}, **asked
            )
            for page in paginator:
                expected += [found["Key"] for found in page.get("Contents", [])]
                expected += [found["Prefix"] for found in page.get("CommonPrefixes", [])]

            pages = all_pages(
                lambda token: names.listed(prefix, delimiter, token or after, most)  # noqa: B023 - used in this turn
            )

            assert sorted(name for page in pages for part in page for name in part) == sorted(expected)
            assert all(len(found) + len(groups) <= most for found, groups in pages)

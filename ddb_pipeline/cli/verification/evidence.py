"""Reads what became of the items: the Kinesis stream itself, the change table in SQL, the crawls, the raw objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ddb_pipeline.arrivals import HOUR, hour_of, hour_prefix
from ddb_pipeline.cli.verification import observations
from ddb_pipeline.cli.verification.observations import Observation, StreamRecord
from ddb_pipeline.cli.verification.writing import Writer
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.aws import Deployment, make_client
from ddb_pipeline.sql_text import quote_identifier, quote_literal
from ddb_pipeline.view_sql import views

_CANNOT_LOOK = (PipelineError, BotoCoreError, ClientError)
MOST_RECORDS = 5_000
"""Read from the stream: all that a verification writes."""


class Evidence:
    """What is there to be seen of one pipeline.

    Args:
        deployment: The pipeline on its stage.
        begun: When the verification began to write.
    """

    def __init__(self, deployment: Deployment, begun: datetime) -> None:
        self._deployment = deployment
        self._begun = begun
        names = deployment.names
        self._changes = f"{quote_identifier(names.database)}.{quote_identifier(names.change_table)}"

    def view_answers(self) -> dict[str, str]:
        """Ask every view for all its columns; by view: empty, or what was said instead of an answer."""
        answers = {}
        for view in views(self._deployment.pipeline):
            try:
                # no engine can tell rows apart without computing every column; a bare count(*) needs none of them
                self._ask(f"SELECT count(*) FROM (SELECT DISTINCT * FROM {quote_identifier(view.name)})")  # noqa: S608 - quoted
                answers[view.name] = ""
            except PipelineError as error:
                answers[view.name] = str(error)
        return answers

    def hours_read(self) -> int:
        """Return how many hours the change table has rows of, as Athena reads it."""
        ((hours,),) = self._ask(f"SELECT count(DISTINCT concat(year, month, day, hour)) FROM {self._changes}")  # noqa: S608 - quoted
        return int(hours)

    def table_version(self) -> str:
        """Return the version that the catalog has of the change table."""
        names = self._deployment.names
        table = self._client("glue").get_table(DatabaseName=names.database, Name=names.change_table)["Table"]
        return str(table.get("VersionId", "(none)"))

    def all(self, writer: Writer, view_answers: Mapping[str, str], versions: tuple[str, str]) -> list[Observation]:
        """Answer every question.

        Args:
            writer: Knows the items that were written.
            view_answers: What the views said after the second crawl; none where Athena projects hours.
            versions: Version of the change table before and after the crawls.
        """
        glue, crawler = self._client("glue"), self._deployment.names.crawler
        records, unread = self._records_or_reason()
        looks: dict[str, Callable[[], Observation]] = {
            "names in change records": lambda: observations.shape_of_records(records),
            "times of change records": lambda: observations.times_of_records(records),
            "partition keys": lambda: observations.partition_keys(records),
            "repeats": self._repeats,
            "deletes by time to live": lambda: self._ttl(writer),
            "large changes": lambda: observations.large_changes(
                self._rows_of(writer, "large", "event_name = 'INSERT'"),
                self._rows_of(writer, "large", "event_name = 'MODIFY'"),
            ),
            "writes without change": lambda: observations.writes_without_change(self._rows_of(writer, "same")),
            "hours of arrival": self._hours,
            "delays": self._delays,
        }
        if crawler:
            looks |= {
                "crawls": lambda: observations.crawls(glue.list_crawls(CrawlerName=crawler)["Crawls"], versions),
                "views after a crawl": lambda: observations.views_after_crawl(view_answers),
            }
        found = [self._looked(title, look) for title, look in looks.items()]
        return [*found, *([not_looked_at("the Kinesis stream", unread)] if unread else [])]

    def _repeats(self) -> Observation:
        rows, events = self._ask(f"SELECT count(*), count(DISTINCT event_id) FROM {self._changes}")[0]  # noqa: S608
        content = "item_key, changed_at_us, coalesce(new_hash, ''), coalesce(old_hash, '')"
        (equal,) = self._ask(
            f"SELECT count(*) FROM (SELECT 1 FROM {self._changes} GROUP BY {content} "  # noqa: S608 - quoted
            "HAVING count(DISTINCT event_id) > 1)"
        )[0]
        (unequal,) = self._ask(
            f"SELECT count(*) FROM (SELECT event_id FROM (SELECT DISTINCT event_id, {content} FROM {self._changes}) "  # noqa: S608
            "GROUP BY event_id HAVING count(*) > 1)"
        )[0]
        return observations.repeats(int(rows), int(events), int(equal), int(unequal))

    def _ttl(self, writer: Writer) -> Observation:
        rows = self._ask(
            f"SELECT expired_by_ttl, user_identity FROM {self._changes} WHERE event_name = 'REMOVE' "  # noqa: S608
            f"AND item_key = {quote_literal(writer.key_text('expired'))}"
        )
        return observations.deletes_by_ttl(
            len(rows), sum(bool(expired) for expired, _ in rows), sorted({str(identity) for _, identity in rows})
        )

    def _hours(self) -> Observation:
        hour = "date_parse(year || month || day || hour, '%Y%m%d%H')"
        arrived = "date_trunc('hour', CAST(from_unixtime(arrived_at_ms / 1000) AT TIME ZONE 'UTC' AS timestamp))"
        rows, before, after = self._ask(
            f"SELECT count(*), count_if({arrived} < {hour}), count_if({arrived} > {hour}) FROM {self._changes}"  # noqa: S608
        )[0]
        return observations.hours_of_arrival(int(rows), int(before), int(after))

    def _delays(self) -> Observation:
        half, longest = self._ask(
            "SELECT approx_percentile(arrived_at_ms - changed_at_us / 1000, 0.5), "  # noqa: S608 - quoted
            f"max(arrived_at_ms - changed_at_us / 1000) FROM {self._changes}"
        )[0]
        written = self._written()
        oldest = self._ask(f'SELECT "$path", min(changed_at_us) FROM {self._changes} GROUP BY 1')  # noqa: S608 - quoted
        took = [written[path] - first / 1_000_000 for path, first in oldest if path in written]
        to_stream = None if half is None else (int(half), int(longest))
        return observations.delays(to_stream, took, self._deployment.stage.baseline_margin_seconds)

    def _written(self) -> dict[str, float]:
        """When each raw object was written, in epoch seconds, by its address."""
        names, s3 = self._deployment.names, self._client("s3")
        first, found = hour_of(self._begun), {}
        for number in range(-1, int((datetime.now(UTC) - first) / HOUR) + 1):
            prefix = names.changes_prefix + hour_prefix(first + number * HOUR)
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=names.raw_bucket, Prefix=prefix):
                for one in page.get("Contents", []):
                    found[f"s3://{names.raw_bucket}/{one['Key']}"] = one["LastModified"].timestamp()
        return found

    def _rows_of(self, writer: Writer, name: str, condition: str = "true") -> int:
        (rows,) = self._ask(
            f"SELECT count(DISTINCT event_id) FROM {self._changes} "  # noqa: S608 - quoted
            f"WHERE item_key = {quote_literal(writer.key_text(name))} AND {condition}"
        )[0]
        return int(rows)

    def _records(self) -> Iterator[StreamRecord]:
        """The records of the stream from its beginning, of every shard."""
        kinesis, stream = self._client("kinesis"), self._deployment.names.change_stream
        left = MOST_RECORDS
        for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator and left > 0:
                answer = kinesis.get_records(ShardIterator=iterator, Limit=min(left, 1_000))
                for record in answer["Records"]:
                    yield StreamRecord(record["PartitionKey"], shard["ShardId"], _object(record["Data"]))
                left -= len(answer["Records"])
                iterator = answer.get("NextShardIterator")
                # an open shard has no end: whoever has reached its newest record stops
                if not answer["Records"] and not answer.get("MillisBehindLatest"):
                    break

    def _ask(self, sql: str) -> list[Any]:
        return list(self._deployment.athena.execute(sql).rows)

    def _client(self, service: str) -> Any:
        return make_client(service, self._deployment.settings.connection)

    def _records_or_reason(self) -> tuple[list[StreamRecord], str]:
        """What the stream holds; without the right to read it: nothing, and why."""
        try:
            return list(self._records()), ""
        except _CANNOT_LOOK as error:
            return [], str(error)

    @staticmethod
    def _looked(title: str, look: Callable[[], Observation]) -> Observation:
        """What a look brings; if it cannot be had, the report says so, and goes on."""
        try:
            return look()
        except _CANNOT_LOOK as error:
            return not_looked_at(title, str(error))


def not_looked_at(title: str, reason: str) -> Observation:
    """Return that a question has no answer, and why."""
    return Observation(f"Not looked at: {title}", "", reason, "not seen")


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

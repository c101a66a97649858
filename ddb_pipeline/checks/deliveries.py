"""Checks of the way into the catalog: nothing failed on it, what was written arrives, and what arrived is crawled.

They read no data, so they run with each refresh. And because a delivery that stands still asks for no refresh, the
deliveries sensor tells the same verdicts, by the same functions.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    DagsterInstance,
    MetadataValue,
    asset_check,
)

from ddb_pipeline.arrivals import (
    CLOCKS,
    LOOK_BACK,
    WEEK,
    counted,
    hour_of,
    hour_of_key,
    listed,
    longest_delivery,
    partition_key,
)
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import RETRY_TRANSIENT, asset_key, failing_plainly
from ddb_pipeline.assets.failed_deliveries import NAME as FAILED_DELIVERIES
from ddb_pipeline.assets.failed_deliveries import known_hours, reasons_of, replay_job_name
from ddb_pipeline.assets.raw_changes import NAME as RAW_CHANGES
from ddb_pipeline.checks.verdict import Verdict, last_evaluation
from ddb_pipeline.cron import longest_gap
from ddb_pipeline.declaration import Pipeline, Stage
from ddb_pipeline.errors import RESTORE_ADVICE, PipelineError
from ddb_pipeline.failed_deliveries.looking import Look, look
from ddb_pipeline.failed_deliveries.replay import MOST_ALLOWED, MOST_REPLAYS
from ddb_pipeline.refreshes import Scope, refresh_job_name
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.failed_deliveries import PAGE
from ddb_pipeline.survey import survey

FAILED_CHECK = "no_failed_deliveries"
DELIVERED_CHECK = "changes_are_delivered"
CRAWLED_CHECK = "crawls_keep_up"

_DELAY = timedelta(minutes=5)
"""How long CloudWatch may take to show a value, and Firehose to convert and write, beside its buffering."""
_CRAWL_PATIENCE = timedelta(hours=1)
_MOST_RECEIPTS = 10_000
"""Receipts that a check reads, which has more time than a tick of the sensor."""
_DAY = timedelta(days=1)
TICK_OBJECTS = 50_000
"""Failed objects that a tick of the sensor lists at most: 50 requests. More in a week is a delivery that does nothing
else."""
_TICK_PAGES = 100
"""Pages of objects that a tick of the sensor reads at most to see whether something was delivered."""
_OVERDUE = "overdue"
_PAGES = 20
"""Requests that one look may spend on what hours hold: one is enough for each that is lacking, oldest first."""


class NotKnownError(PipelineError):
    """A tick of the sensor has no time to find out; the message says what to do."""


def under_way(stage: Stage) -> timedelta:
    """Return how long a change may take from the table to S3 while all is well: Firehose buffers twice."""
    return timedelta(seconds=2 * stage.buffer_seconds) + _DELAY


def delivery_checks(pipeline: Pipeline) -> list[AssetChecksDefinition]:
    """Return the checks of a pipeline's deliveries."""
    return [_failed_check(pipeline), _delivered_check(pipeline), _crawled_check(pipeline)]


def failed_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check that nothing failed."""
    return AssetCheckKey(asset_key(pipeline, FAILED_DELIVERIES), FAILED_CHECK)


def delivered_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check that changes are delivered."""
    return AssetCheckKey(asset_key(pipeline, RAW_CHANGES), DELIVERED_CHECK)


def crawled_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check that crawls keep up."""
    return AssetCheckKey(asset_key(pipeline, CHANGE_TABLE), CRAWLED_CHECK)


def failed_verdict(deployment: Deployment, found: Look, out_of_time: Callable[[], bool] = lambda: False) -> Verdict:
    """Judge what failed and was not replayed.

    Args:
        deployment: The pipeline on its stage.
        found: What a look found.
        out_of_time: Whether no other object may be read: then it does not say why they failed.
    """
    still_open, job = found.open, replay_job_name(deployment.pipeline)
    metadata = {"open_objects": len(still_open), "not_looked_into": found.left}
    if not still_open and found.is_through:
        return Verdict(None, metadata)
    more = [f"{found.left} more were not looked into"] if found.left else []
    if not found.is_whole:
        more.append("not all were listed")
    if not still_open:
        return Verdict(
            f"of the objects below errors/ that were looked into none waits for a replay, but {' and '.join(more)}: "
            f"run the job {job}, which looks into all of them",
            metadata,
            severity=AssetCheckSeverity.WARN,
        )
    sentences = [*more, listed([one.found.key for one in still_open])]
    if again := [one.receipt for one in still_open if one.receipt]:
        sentences.append(f"with records that failed again, or cannot be replayed: {len(again)}")
    if reasons := reasons_of(deployment.failed_deliveries, still_open, out_of_time):
        sentences.append(f"why: {listed([reason for reason, _count in reasons.most_common()], 3)}")
    sentences.append(
        f"mend the cause (the converter's log says what it refused), then run the job {job}; what is no change of the "
        "table, or may be lost, take out of errors/"
    )
    if MOST_REPLAYS <= (allowed := max((receipt.below for receipt in again), default=0)) < MOST_ALLOWED:
        sentences.append(
            f"what {allowed} replays did not bring in stays unless the job's most_replays is {allowed + 1} "
            f"(ddb-pipeline replay --most-replays {allowed + 1}), and what is longer than the stream takes in any case"
        )
    return Verdict(
        f"{counted(len(still_open), 'object')} below errors/ with records that are in no view: {'; '.join(sentences)}",
        metadata,
    )


def delivered_verdict(
    deployment: Deployment, now: datetime, out_of_time: Callable[[], bool] = lambda: False
) -> Verdict:
    """Judge whether what came into the stream has left it. A table without writes has nothing to deliver.

    Args:
        deployment: The pipeline on its stage.
        now: The time.
        out_of_time: Whether no other page of objects may be begun.

    Raises:
        NotKnownError: In a tick: it cannot read as much as that takes.
    """
    names = deployment.names
    if not deployment.table_export.look(now).active:
        is_ours = deployment.pipeline.existing_table.of(deployment.stage.name) is None
        # of a table that exists the stack has a custom resource, which no deployment looks into
        advice = RESTORE_ADVICE if is_ours else names.streaming_command
        return Verdict(
            f"table {names.table} does not stream its changes to {names.change_stream}: nothing that is written now "
            f"will be in any view: switch its Kinesis streaming destination on ({advice}); what was written "
            "meanwhile only a baseline of an export brings in"
        )
    arrived = deployment.stream_metrics.last_arrivals(now - under_way(deployment.stage))
    metadata = {"last_records_in_the_stream": "none in five days" if arrived is None else f"{arrived:%Y-%m-%d %H:%M}"}
    if arrived is None:
        return Verdict(None, metadata)
    delivered = _has_delivered_since(deployment, arrived, out_of_time)
    if delivered is None:
        raise NotKnownError(
            f"the last hours hold more objects than a tick has pages ({_TICK_PAGES}) or time for, so it does not tell "
            f"whether deliveries stand still: execute the check {DELIVERED_CHECK}, which reads all"
        )
    if delivered:
        return Verdict(None, metadata)
    return Verdict(
        f"records came into stream {names.change_stream} at {arrived:%Y-%m-%d %H:%M} UTC, and since then nothing was "
        f"written to S3 into the hours from {partition_key(_first_hour(arrived))} on: delivery stream "
        f"{names.delivery_stream} stands still, or is catching up and is at older hours yet: look at its state, its "
        f"error log, and the metrics KinesisMillisBehindLatest (falls while it catches up) and DeliveryToS3.Success; "
        f"the stream keeps records for "
        f"{deployment.stage.stream_retention_hours} hours, then they are lost",
        metadata,
    )


def crawled_verdict(
    deployment: Deployment,
    now: datetime,
    before: frozenset[datetime],
    out_of_time: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Judge whether hours get into the catalog in time. A table without writes has no new hours.

    Args:
        deployment: The pipeline on its stage.
        now: The time.
        before: Hours that were overdue when this was judged last (`overdue_before`): looked at however old they are.
        out_of_time: Whether no other page of objects may be begun.

    Raises:
        NotKnownError: In a tick: its time does not suffice to look into the hours that are lacking.
    """
    if deployment.catalog.is_projected:
        return Verdict(None, {"not_applicable": "partitions are projected: no hour waits for a crawl"})
    patience = (longest_gap(deployment.pipeline.crawl_schedule) or _DAY) + _CRAWL_PATIENCE
    first = hour_of(now) - max(WEEK, patience) - _DAY
    found = survey(deployment, Scope(first, before), pages=_PAGES, out_of_time=out_of_time)
    # one that was overdue before and was not looked into is lacking still
    overdue = [
        partition_key(hour)
        for hour in found.lacking
        if (found.begun[hour].oldest < now - patience if hour in found.begun else hour in before)
    ]
    if not overdue and out_of_time() and not found.begun.keys() >= set(found.lacking):
        raise NotKnownError(
            "AWS answers so slowly that a tick cannot look into all hours that are not in the catalog, so it does not "
            f"tell whether crawls keep up: execute the check {CRAWLED_CHECK}, which takes its time"
        )
    metadata: dict[str, Any] = {"hours_overdue": len(overdue), "overdue_after_hours": patience / timedelta(hours=1)}
    if not overdue:
        return Verdict(None, metadata)
    metadata[_OVERDUE] = MetadataValue.json(overdue[:_PAGES])
    job = refresh_job_name(deployment.pipeline)
    return Verdict(
        f"in S3 for more than {patience / timedelta(hours=1):g} hours and not in the catalog: {listed(overdue, 20)}: "
        f"look at the last run of {job}, and whether its sensor and schedule are on; or run it by hand",
        metadata,
    )


def overdue_before(instance: DagsterInstance, pipeline: Pipeline) -> frozenset[datetime]:
    """Return the hours that were overdue when crawls were judged last: a crawl brings them in, and not their age."""
    last = last_evaluation(instance, crawled_check_key(pipeline))
    named: Any = last.metadata.get(_OVERDUE) if last else None
    try:
        return frozenset(map(hour_of_key, named.value))
    except (AttributeError, TypeError, ValueError):
        return frozenset()


def _first_hour(arrived: datetime) -> datetime:
    """The oldest hour in which an object is looked for that has what came into the stream at a moment."""
    return hour_of(arrived - CLOCKS) - LOOK_BACK


def _has_delivered_since(deployment: Deployment, arrived: datetime, out_of_time: Callable[[], bool]) -> bool | None:
    """Whether an object was written since records arrived: one of rows, or one that failed; None: unknown."""
    first, moment = _first_hour(arrived), arrived - CLOCKS
    most_pages, most_objects = (_TICK_PAGES, TICK_OBJECTS) if deployment.hurried else (None, None)
    # as long as all is well, the first page tells
    delivered = deployment.raw_bucket.has_data_since(first, moment, most_pages, out_of_time)
    if delivered:
        return True
    if out_of_time():
        return None
    for number, one in enumerate(deployment.failed_deliveries.objects(first)):
        if number == most_objects or (number and number % PAGE == 0 and out_of_time()):
            return None
        if one.last_modified >= moment:
            return True
    return delivered


def _failed_check(pipeline: Pipeline) -> AssetChecksDefinition:
    @asset_check(
        asset=asset_key(pipeline, FAILED_DELIVERIES),
        name=FAILED_CHECK,
        description="Every record that Firehose could not deliver was put on the stream again.",
        retry_policy=RETRY_TRANSIENT,
    )
    def no_failed_deliveries(context: AssetCheckExecutionContext, aws: PipelineAwsResource) -> AssetCheckResult:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            known = known_hours(context.instance, pipeline)
            longest = longest_delivery(deployment.stage.stream_retention_hours)
            found = look(deployment.failed_deliveries, known, longest_delivery=longest, most_receipts=_MOST_RECEIPTS)
            return failed_verdict(deployment, found).result(failed_check_key(pipeline))

    return no_failed_deliveries


def _delivered_check(pipeline: Pipeline) -> AssetChecksDefinition:
    @asset_check(
        asset=asset_key(pipeline, RAW_CHANGES),
        name=DELIVERED_CHECK,
        description="The table streams its changes, and what came into the stream was delivered in time. A table "
        "without writes raises no alarm.",
        retry_policy=RETRY_TRANSIENT,
    )
    def changes_are_delivered(aws: PipelineAwsResource) -> AssetCheckResult:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            return delivered_verdict(deployment, datetime.now(UTC)).result(delivered_check_key(pipeline))

    return changes_are_delivered


def _crawled_check(pipeline: Pipeline) -> AssetChecksDefinition:
    @asset_check(
        asset=asset_key(pipeline, CHANGE_TABLE),
        name=CRAWLED_CHECK,
        description="No hour has been in S3 for long without being in the catalog. A table without writes raises no "
        "alarm.",
        retry_policy=RETRY_TRANSIENT,
    )
    def crawls_keep_up(context: AssetCheckExecutionContext, aws: PipelineAwsResource) -> AssetCheckResult:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            before = overdue_before(context.instance, pipeline)
            return crawled_verdict(deployment, datetime.now(UTC), before).result(crawled_check_key(pipeline))

    return crawls_keep_up

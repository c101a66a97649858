"""The survey: what S3 holds and the catalog lacks. The crawl, its check and the hourly schedule go by it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ddb_pipeline.arrivals import LOOK_BACK, HourContent, merged
from ddb_pipeline.refreshes import Scope
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.raw_bucket import RawBucket


@dataclass(frozen=True)
class Survey:
    """What S3 holds and the catalog lacks.

    Attributes:
        hours: Hours that have a folder in S3, of those looked at, oldest first.
        contents: What the newest of the hours of interest hold, recent ones and those that are lacking, as far as they
            were read to their end.
        lacking_below: Hours that the catalog has no partition for, oldest first, by the prefix of their raw objects;
            folders without data are left out.
        unreadable: Prefixes and keys that are not of an hour.
        is_everything: Whether all hours were looked at.
        hours_below: Hours that have a folder, by the prefix of their raw objects.
        begun: What hours of interest begin with, those that are lacking above all: their oldest objects, a page at
            least. It tells when their first data came, however much they hold.
    """

    hours: tuple[datetime, ...]
    contents: Mapping[datetime, HourContent]
    lacking_below: Mapping[str, tuple[datetime, ...]]
    unreadable: tuple[str, ...]
    is_everything: bool = True
    hours_below: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    begun: Mapping[datetime, HourContent] = field(default_factory=dict)

    @property
    def lacking(self) -> tuple[datetime, ...]:
        """Hours that some change table lacks, oldest first."""
        return merged(self.lacking_below)


def survey(
    deployment: Deployment,
    scope: Scope,
    *,
    pages: int = 200,
    out_of_time: Callable[[], bool] = lambda: False,
) -> Survey:
    """Compare hours in S3 with those in the catalog.

    Costs a LIST request per day that is looked at, and one per thousand objects in the hours that are recent or
    lacking, up to a bound; one Glue request per hundred hours. An hour that is read in part, and shows nothing below a
    prefix that the catalog lacks it of, takes one more.

    Args:
        deployment: The pipeline on its stage.
        scope: Hours to look at.
        pages: How many pages of LIST may go into what hours hold, a thousand objects each: first one for each hour that
            is lacking, oldest first, then the rest, newest first. What is not read the sensor's rounds read; that an
            hour holds data is taken for granted then.
        out_of_time: Whether no other page may be begun; asked before each.
    """
    bucket, catalog = deployment.raw_bucket, deployment.catalog
    stored = bucket.hours_by_prefix(scope.first)
    hours = merged(stored)
    asked = {prefix: {*found, *scope.named} for prefix, found in stored.items()}
    absent = catalog.lacking(asked) if scope.first else catalog.all_lacking(asked)
    now = datetime.now(UTC)
    newest = max((hour for hour in hours if hour <= now), default=now)
    recent = {hour for hour in hours if newest - LOOK_BACK <= hour <= newest}
    # an hour of many objects must not hide when another one began
    first = sorted(merged(absent), key=lambda hour: (hour not in scope.named, hour))
    # those that were named may be gone by now; then the newest
    order = sorted({*first, *recent}, key=lambda hour: (hour in scope.named, hour), reverse=True)
    contents, begun, without = _contents(bucket, first, order, pages, out_of_time)

    def is_empty(prefix: str, hour: datetime) -> bool:
        if hour in without:
            return prefix in without[hour]
        # in the hour in which the format was switched the other prefix may be what the pages did not reach
        is_met = hour not in begun or prefix in begun[hour].first_written
        return not is_met and not out_of_time() and not bucket.begins_with_data(prefix, hour)

    lacking = {prefix: tuple(hour for hour in found if not is_empty(prefix, hour)) for prefix, found in absent.items()}
    return Survey(
        merged({"": hours, **lacking}),
        contents,
        {prefix: found for prefix, found in lacking.items() if found},
        tuple(bucket.unreadable),
        scope.first is None,
        stored,
        begun,
    )


def _contents(
    bucket: RawBucket,
    first: Sequence[datetime],
    hours: Sequence[datetime],
    pages: int,
    out_of_time: Callable[[], bool],
) -> tuple[dict[datetime, HourContent], dict[datetime, HourContent], dict[datetime, set[str]]]:
    """Read what hours hold, a page of the first ones and then all of it, as far as the pages go.

    Returns:
        What the hours hold that were read to their end, how those begin that were read, and the prefixes that have
        nothing of an hour that was read to its end.
    """
    contents: dict[datetime, HourContent] = {}
    begun: dict[datetime, HourContent] = {}
    without: dict[datetime, set[str]] = {}
    ended: set[datetime] = set()
    for hour, most in [*((hour, 1) for hour in first), *((hour, pages) for hour in hours)]:
        if pages <= 0 or out_of_time():
            break
        if hour in ended:
            continue
        reading = bucket.read_hour(hour, min(most, pages), out_of_time)
        pages -= reading.pages
        contents |= {content.hour: content for content in reading.contents}
        met = [met for met in reading.met if met.hour == hour]
        begun |= {met.hour: met for met in met}
        if reading.rest is None:
            ended.add(hour)
            without[hour] = set(bucket.prefixes).difference(*(met.first_written for met in met))
    return contents, begun, without

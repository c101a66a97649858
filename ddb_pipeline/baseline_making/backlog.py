"""Hours that Firehose fills long after their time, as when it catches up after an outage.

An object is named after the arrival of its oldest record (Firehose, dev/s3-object-name.html), and a stream that catches
up puts into one object what took hours to arrive: an hour may hold changes that are much younger than itself.
"""

from __future__ import annotations

from datetime import datetime

from ddb_pipeline.arrivals import CLOCKS, longest_delivery
from ddb_pipeline.baselines import first_hour_since, moment_of
from ddb_pipeline.declaration import Stage
from ddb_pipeline.resources.raw_bucket import RawBucket


def first_hour_with(bucket: RawBucket, stage: Stage, cut_us: int) -> datetime:
    """Return the first hour of arrival that may hold changes since a cut, as far as objects are stored by now.

    What is stored later in an hour before that one was under way since before the cut: `late_changes` finds it.

    Args:
        bucket: The raw bucket.
        stage: The stage.
        cut_us: The cut, epoch microseconds.
    """
    usual = first_hour_since(cut_us)
    # an object that was stored before the cut holds no change since
    since = moment_of(cut_us) - CLOCKS
    stored = bucket.stored_since(usual - longest_delivery(stage.stream_retention_hours), since)
    hours = {address: hour for hour in sorted(stored) if hour < usual for address in sorted(stored[hour])}
    oldest = next(bucket.new_since(hours, since), None)
    return hours[oldest] if oldest else usual

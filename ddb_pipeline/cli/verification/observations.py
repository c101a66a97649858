"""What the design takes for granted and AWS does not document, held against what was seen. Pure.

Each observation says what was seen and how often: an assumption that nothing contradicted is not proved by that, and
the report must not read as if it were.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

Verdict = Literal["as assumed", "otherwise", "not seen"]

_MICROSECOND_DIGITS = 16
"""Of an epoch time in microseconds, until the year 2286."""


@dataclass(frozen=True)
class Observation:
    """An open question, and what was seen.

    Attributes:
        question: The question.
        rests: What of the design rests on the answer.
        seen: What was seen, with counts; nothing of anybody's items.
        verdict: Whether that is as the design assumes.
    """

    question: str
    rests: str
    seen: str
    verdict: Verdict


@dataclass(frozen=True)
class StreamRecord:
    """A record as it lies in the Kinesis stream."""

    partition_key: str
    shard: str
    data: Mapping[str, Any]


def times_of_records(records: Sequence[StreamRecord]) -> Observation:
    """Look at the times of change records."""
    precisions = Counter(
        str(record.data.get("dynamodb", {}).get("ApproximateCreationDateTimePrecision", "(absent)"))
        for record in records
    )
    digits = Counter(
        len(str(record.data.get("dynamodb", {}).get("ApproximateCreationDateTime", ""))) for record in records
    )
    expected = precisions.keys() == {"MICROSECOND"} and digits.keys() == {_MICROSECOND_DIGITS}
    return Observation(
        "Does a change record say its precision, and is its time in microseconds?",
        "the unit of changed_at_us; a record that says nothing is read as milliseconds",
        f"{len(records)} records: precision {_counted(precisions)}; digits of the time {_counted(digits)}",
        _verdict(expected, seen=bool(records)),
    )


def shape_of_records(records: Sequence[StreamRecord]) -> Observation:
    """Look at the names in change records."""
    top = Counter(name for record in records for name in record.data)
    inner = Counter(name for record in records for name in record.data.get("dynamodb", {}))
    events = Counter(str(record.data.get("eventName")) for record in records)
    known = {
        "awsRegion",
        "dynamodb",
        "eventID",
        "eventName",
        "eventSource",
        "recordFormat",
        "tableName",
        "userIdentity",
    }
    return Observation(
        "Which names does a change record have?",
        "what the converter accepts as a change record; anything else goes to errors/",
        f"{len(records)} records ({_counted(events)}): {_counted(top)}; in dynamodb: {_counted(inner)}",
        _verdict(top.keys() == known, seen=bool(records)),
    )


def partition_keys(records: Sequence[StreamRecord]) -> Observation:
    """Look at how DynamoDB chooses partition keys, and with them shards."""
    of_item = defaultdict(set)
    equal = 0
    for record in records:
        keys = record.data.get("dynamodb", {}).get("Keys", {})
        of_item[json.dumps(keys, sort_keys=True)].add((record.partition_key, record.shard))
        equal += any(record.partition_key in value.values() for value in keys.values() if isinstance(value, dict))
    several = sum(len({key for key, _ in found}) > 1 for found in of_item.values())
    shards = sum(len({shard for _, shard in found}) > 1 for found in of_item.values())
    lengths = Counter(len(record.partition_key) for record in records)
    return Observation(
        "What is the Kinesis partition key of a change record?",
        "nothing is left to it: the state rule needs no order of arrival; one shard an item only makes ties rarer",
        f"{len(of_item)} items: {several} with more than one partition key, {shards} in more than one shard; length "
        f"{_counted(lengths)}; equal to a key attribute's value in {equal} of {len(records)} records",
        _verdict(shards == 0, seen=bool(records)),
    )


def repeats(rows: int, events: int, equal_changes: int, unequal_repeats: int) -> Observation:
    """Look at repeated records.

    Args:
        rows: Rows of changes.
        events: Different eventIDs among them.
        equal_changes: Groups of rows that are the same change in everything but the eventID.
        unequal_repeats: eventIDs that stand in rows of different content.
    """
    return Observation(
        "Have repeats of a change record the same eventID?",
        "views drop repeats by eventID alone",
        f"{rows} rows of {events} events: {rows - events} repeats; {unequal_repeats} eventIDs in rows of different "
        f"content; {equal_changes} groups of equal changes of one item and instant with different eventIDs",
        _verdict(
            not equal_changes and not unequal_repeats, seen=bool(rows - events or equal_changes or unequal_repeats)
        ),
    )


def deletes_by_ttl(removed: int, recognised: int, identities: Sequence[str]) -> Observation:
    """Look at the delete of an item whose time to live had passed when it was written.

    Args:
        removed: REMOVE rows of that item.
        recognised: Those that the converter took for a delete by time to live.
        identities: Different `userIdentity` texts in them.
    """
    return Observation(
        "How does a delete by time to live look in Kinesis?",
        "expired_by_ttl, told by type Service and principal dynamodb.amazonaws.com, in either case of letters",
        f"{removed} deletes, {recognised} recognised; userIdentity: {', '.join(identities) or '(none)'}"
        + ("" if removed else "; DynamoDB may take days to delete an expired item: look again later with --keep"),
        _verdict(removed == recognised, seen=bool(removed)),
    )


def large_changes(inserted: int, modified: int) -> Observation:
    """Look at a change record above 1 MiB.

    Args:
        inserted: Rows of the item's first change, whose record has half a MiB.
        modified: Rows of its second change, whose record has more than 1 MiB.
    """
    return Observation(
        "Does DynamoDB leave out change records above 1 MiB?",
        "the README's limit, and the alarm on FailedToReplicateRecordCount; a lost change shows in change_problems",
        f"the record of half a MiB arrived {inserted} times, the one above 1 MiB {modified} times",
        _verdict(modified == 0, seen=bool(inserted)),
    )


def writes_without_change(rows: int) -> Observation:
    """Look at an item that was put twice with equal content."""
    return Observation(
        "Does a write that changes nothing make a change record?",
        "change_counts counts changes, not writes; one with equal images would balance to nothing all the same",
        f"an item put twice with equal content has {rows} rows of change",
        _verdict(rows == 1, seen=bool(rows)),
    )


def hours_of_arrival(rows: int, before: int, after: int) -> Observation:
    """Look at whether rows lie in the hour in which they arrived.

    Args:
        rows: Rows of changes.
        before: Rows whose hour of arrival is before their partition's.
        after: ... or after it.
    """
    return Observation(
        "Is an object's hour that of the oldest record in it?",
        "the look-back of the arrivals sensor, and which hours a query of recent changes must read",
        f"{rows} rows: {before} arrived before the hour of their partition, {after} after it",
        # only an object that was open when an hour ended tells
        _verdict(before == 0, seen=bool(before or after)),
    )


def delays(stream_ms: tuple[int, int] | None, object_seconds: Sequence[float], margin_seconds: int) -> Observation:
    """Look at how long changes are under way.

    Args:
        stream_ms: Half, and the longest, from a change to its arrival in Kinesis, in milliseconds; None: no changes.
        object_seconds: From the oldest change in a raw object to that object, of each object that was found.
        margin_seconds: What a baseline takes for granted.
    """
    to_stream = f"{stream_ms[0]} ms (half of them), {stream_ms[1]} ms (the longest)" if stream_ms else "none seen"
    to_object = (
        f"{round(median(object_seconds))} s and {round(max(object_seconds))} s, of {len(object_seconds)} objects"
        if object_seconds
        else "none seen"
    )
    return Observation(
        "How long is a change under way?",
        "baseline_margin_seconds: a change that takes longer may be missing in a baseline",
        f"to Kinesis {to_stream}; to the raw object {to_object}; baseline_margin_seconds is {margin_seconds}",
        _verdict(max(object_seconds, default=0) <= margin_seconds, seen=bool(object_seconds)),
    )


def crawls(listed: Sequence[Mapping[str, Any]], versions: tuple[str, str]) -> Observation:
    """Look at what Glue says of the crawls, and at what they did to the table.

    Args:
        listed: The crawls, as ListCrawls has them.
        versions: Version of the change table before and after them.
    """
    states = Counter(str(crawl.get("State")) for crawl in listed)
    summaries = sorted({name for crawl in listed for name in _summary(crawl)})
    hours = ", ".join(f"{crawl.get('DPUHour', 0):.3f}" for crawl in listed)
    return Observation(
        "What does a crawl report, and does it leave the table's columns alone?",
        "start-or-join finds a crawl by ListCrawls; the crawler must only add partitions",
        f"{len(listed)} crawls ({_counted(states)}), DPU hours {hours or '(none)'}; names in Summary: "
        f"{', '.join(summaries) or '(none)'}; version of the table {versions[0]} before, {versions[1]} after",
        _verdict(versions[0] == versions[1], seen=bool(listed)),
    )


def views_after_crawl(answers: Mapping[str, str]) -> Observation:
    """Look at whether views still answer after a crawl that they were not made anew after.

    Args:
        answers: By view: empty if it answered, else what was said instead.
    """
    failed = {name: said for name, said in answers.items() if said}
    return Observation(
        "Do views stay valid after a crawl?",
        "views are made anew only when their SQL changes",
        f"{len(answers) - len(failed)} of {len(answers)} views answered after the second crawl"
        + "".join(f"; {name}: {said}" for name, said in failed.items()),
        _verdict(not failed, seen=bool(answers)),
    )


def _summary(crawl: Mapping[str, Any]) -> list[str]:
    try:
        return list(json.loads(crawl.get("Summary") or "{}"))
    except ValueError:
        return ["(not JSON)"]


def _counted(counter: Counter[Any]) -> str:
    return (
        ", ".join(f"{name} {count}" for name, count in sorted(counter.items(), key=lambda one: str(one[0]))) or "none"
    )


def _verdict(is_as_assumed: bool, *, seen: bool) -> Verdict:
    if not seen:
        return "not seen"
    return "as assumed" if is_as_assumed else "otherwise"

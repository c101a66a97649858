"""The check that the view says what the table holds, for some items of each."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetChecksDefinition,
    DagsterInstance,
    MetadataValue,
    TableRecord,
)

from ddb_pipeline.arrivals import LOOK_BACK, hour_of, listed
from ddb_pipeline.assets.common import asset_key
from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.records import microseconds
from ddb_pipeline.checks.agreement import Agreement, Shown, Suspect, compare
from ddb_pipeline.checks.deliveries import CRAWLED_CHECK, DELIVERED_CHECK, FAILED_CHECK, under_way
from ddb_pipeline.checks.scanning import scanning_check
from ddb_pipeline.checks.verdict import Verdict, last_evaluation
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.dynamodb_json import canonical_item, canonical_key, client_key
from ddb_pipeline.refreshes import Scope
from ddb_pipeline.resources.athena import QueryResult
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.sql_text import quote_identifier, quote_literal
from ddb_pipeline.survey import survey
from ddb_pipeline.view_sql import STATE_VIEW

STATE_CHECK = "state_agrees_with_the_table"
SAMPLE = 100
"""Items that are taken from the view, and as many from the table."""
_SUSPECTS = "looked_at_again"
_MOST_SUSPECTS = 20
# a statement has 262,144 bytes at most (athena/latest/ug/service-limits.html), and a key up to three KB
_KEYS_BYTES = 150_000
_TOLD = 10
# partition key and sort key, in bytes (developer guide, "Quotas")
_LONGEST_KEYS = (2048, 1024)
_UNREADABLE = "cannot be read"


def state_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check, so that a schedule can ask for it."""
    return AssetCheckKey(asset_key(pipeline, STATE_VIEW), STATE_CHECK)


def state_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that items are in the view as they are in the table."""
    check_key = state_check_key(pipeline)

    def judge(context: AssetCheckExecutionContext, deployment: Deployment) -> Verdict:
        return _judge(deployment, _suspects(context.instance, check_key), datetime.now(UTC))

    return scanning_check(
        pipeline,
        check_key,
        f"{SAMPLE} items of the view are in the table, and {SAMPLE} of the table in the view, as they are. Reads these "
        "items of the table and scans the data: follows `measure` of the stage, except when it is asked for by itself.",
        judge,
        remembers=_SUSPECTS,
    )


def sample_statement(view: str, keys: list[str], most: int) -> str:
    """Return the query for some items by their keys, and for others at random.

    Args:
        view: The view, quoted.
        keys: Texts of the column `item_key`.
        most: How many at random.
    """
    asked = f"item_key IN ({', '.join(map(quote_literal, keys))})" if keys else "false"
    return (
        f"SELECT item_key, image, changed_at_us, state_certain, count(*) OVER () AS items FROM {view} "  # noqa: S608 - quoted
        f"ORDER BY CASE WHEN {asked} THEN 0 ELSE 1 END, rand() LIMIT {len(keys) + most}"
    )


def _judge(deployment: Deployment, suspects: Mapping[str, Suspect], now: datetime) -> Verdict:
    table, names = deployment.table_items, deployment.names
    counted = table.count()
    page = {_key_of(deployment, item): canonical_item(item) for item in table.page(SAMPLE, counted)}
    held = _what_fits({**_read(deployment, suspects), **page})
    view = f"{quote_identifier(names.database)}.{quote_identifier(STATE_VIEW)}"
    # without a request token: an answer to an earlier attempt would be older than what the table held now
    result = deployment.athena.execute(sample_statement(view, list(held), SAMPLE))
    shown = {str(row[0]): Shown(_canonical(str(row[1])), int(row[2]), bool(row[3])) for row in result.rows}
    # the others are read from the table after the view: what changed in between is a suspect, at the most
    held |= _read(deployment, [item_key for item_key in shown if item_key not in held])
    agreement = compare(
        held,
        shown,
        suspects,
        asked_us=microseconds(now),
        read_us=microseconds(datetime.now(UTC)),
        under_way_us=under_way(deployment.stage) // timedelta(microseconds=1),
        all_is_crawled=not suspects or _all_is_crawled(deployment, suspects),
    )
    return _verdict(deployment, agreement, result, counted)


def _read(deployment: Deployment, item_keys: Iterable[str]) -> dict[str, str | None]:
    """What the table holds under some keys; nothing under a text that is no key of this table."""
    keys = {item_key: table_key(item_key, deployment.pipeline) for item_key in item_keys}
    # DynamoDB refuses to be asked twice for one item
    unique = {canonical_item(key): key for key in keys.values() if key is not None}
    found = {
        canonical_item({name: item[name] for name in _key_names(deployment)}): canonical_item(item)
        for item in deployment.table_items.get(list(unique.values()))
    }
    return {item_key: found.get(canonical_item(key)) if key is not None else None for item_key, key in keys.items()}


def table_key(item_key: str, pipeline: Pipeline) -> dict[str, Any] | None:
    """Return a key as boto3's client takes it; None: the text is no key that the table could have.

    Args:
        item_key: Text of the column `item_key`: whatever stands in a raw object.
        pipeline: Names and types of the key attributes.
    """
    attributes = pipeline.key_attributes
    try:
        key = client_key(item_key)
        canonical_item(key)
        if {name: set(value) for name, value in key.items()} != {one.name: {one.type} for one in attributes}:
            return None
        contents = [key[one.name][one.type] for one in attributes]
        # half a surrogate pair cannot be encoded
        sizes = [len(content if isinstance(content, bytes) else content.encode()) for content in contents]
    except ValueError:
        return None
    return key if all(1 <= size <= most for size, most in zip(sizes, _LONGEST_KEYS, strict=False)) else None


def _key_names(deployment: Deployment) -> list[str]:
    return [attribute.name for attribute in deployment.pipeline.key_attributes]


def _key_of(deployment: Deployment, item: Mapping[str, Any]) -> str:
    return canonical_key({name: item[name] for name in _key_names(deployment)})


def _what_fits(held: dict[str, str | None]) -> dict[str, str | None]:
    """As many items as a statement can name."""
    fitting, size = {}, 0
    for item_key, item in held.items():
        size += len(item_key.encode()) + 10
        if size > _KEYS_BYTES:
            break
        fitting[item_key] = item
    return fitting


def _canonical(image: str) -> str:
    try:
        return canonical_item(json.loads(image))
    except (ValueError, RecursionError):
        return f"{_UNREADABLE}: {image}"


def _all_is_crawled(deployment: Deployment, suspects: Mapping[str, Suspect]) -> bool:
    oldest = moment_of(min(suspect.asked_us for suspect in suspects.values()))
    return not survey(deployment, Scope(hour_of(oldest) - LOOK_BACK)).lacking


def _verdict(deployment: Deployment, agreement: Agreement, result: QueryResult, counted: int) -> Verdict:
    suspects = agreement.suspects[:_MOST_SUSPECTS]
    metadata: dict[str, Any] = {
        "agreeing": agreement.agreeing,
        "differing": len(agreement.differences),
        "differing_for_now": len(agreement.suspects) - len(agreement.differences),
        "left_out_changed_lately": agreement.changed_lately,
        "left_out_uncertain": agreement.uncertain,
        "items_in_the_view": int(result.rows[0][-1]) if result.rows else 0,
        "items_in_the_table_as_counted_within_six_hours": counted,
        "query": result.query_id,
        "query_in_console": MetadataValue.url(result.console_url),
        "bytes_scanned": result.data_scanned_in_bytes,
    }
    if suspects:
        metadata[_SUSPECTS] = MetadataValue.json([asdict(suspect) for suspect in suspects])
    if not agreement.differences:
        note = None
        if suspects:
            settled = moment_of(max(suspect.read_us for suspect in suspects)) + under_way(deployment.stage)
            note = (
                f"{len(agreement.suspects)} items differ whose changes may be under way: {_keys(agreement.suspects)}: "
                f"the next check after {settled:%H:%M:%S} UTC tells"
                + (f", of {len(suspects)} of them" if len(suspects) < len(agreement.suspects) else "")
            )
        return Verdict(None, metadata, note=note)
    metadata["differences"] = MetadataValue.table([TableRecord(asdict(one)) for one in agreement.differences[:50]])
    ways = sorted({one.how for one in agreement.differences})
    kind = deployment.pipeline.baseline
    compared = agreement.agreeing + len(agreement.differences)
    return Verdict(
        f"{len(agreement.differences)} of {compared} items differ ({', '.join(ways)}): {_keys(agreement.differences)}: "
        f"look at the checks {FAILED_CHECK}, {DELIVERED_CHECK} and {CRAWLED_CHECK} first, and at what `ddb-pipeline "
        "repair --dry-run` says of raw objects that are gone; items older than the stream, "
        f'and changes that were lost, come in with a baseline of an export (docs/baselines.md; baseline is "{kind}" '
        "here), or with the item's next change",
        metadata,
    )


def _keys(found: Any) -> str:
    return listed([one.item_key for one in found], _TOLD)


def _suspects(instance: DagsterInstance, check_key: AssetCheckKey) -> dict[str, Suspect]:
    """What the last check found to differ; nothing if it cannot be read, which costs a look more."""
    last = last_evaluation(instance, check_key)
    value: Any = last.metadata.get(_SUSPECTS) if last else None
    try:
        suspects = [
            Suspect(str(one["item_key"]), str(one["held"]), int(one["asked_us"]), int(one["read_us"]))
            for one in value.value
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}
    return {suspect.item_key: suspect for suspect in suspects}

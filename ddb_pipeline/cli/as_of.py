"""`ddb-pipeline query --as-of`: the views as they stood at a moment of the past, put in front of the user's query."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ddb_pipeline.arrivals import hour_of
from ddb_pipeline.assets.view_inputs import view_inputs
from ddb_pipeline.baselines import Baseline, moment_of
from ddb_pipeline.baselines.choice import expired_too_early, for_moment, is_behind_a_gap, newest
from ddb_pipeline.baselines.records import microseconds
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.sql_text import quote_identifier
from ddb_pipeline.view_sql import select_statement, views

EVERYTHING = "SELECT * FROM latest_item_state"

# what SQL is made of, as far as it matters here: comments, text, quoted names, words, single characters
_TOKEN = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\w+|\S", re.DOTALL)
_QUERIES = {"select", "with", "values", "table", "("}


def moment(text: str, now: datetime) -> datetime:
    """Read a moment.

    Args:
        text: ISO 8601 with a time zone, such as 2026-11-01T12:00Z.
        now: The time.

    Raises:
        UserError: It is something else, has no time zone, or has not come yet.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--as-of {text}: not a moment in ISO 8601, such as 2026-11-01T12:00Z") from None
    if found.tzinfo is None:
        raise UserError(f"--as-of {text}: says no time zone: write {found.isoformat(timespec='minutes')}Z for UTC")
    if found > now:
        raise UserError(f"--as-of {text}: lies in the future; it is {now:%Y-%m-%dT%H:%M:%S}Z")
    return found.astimezone(UTC)


def statement_at(deployment: Deployment, sql: str, at: datetime) -> str:
    """Return the user's query over the views as they stood at a moment.

    Args:
        deployment: The pipeline on its stage.
        sql: The query.
        at: The moment; changes of that very microsecond count.

    Raises:
        UserError: The moment cannot be answered for, or the query reads no view.
    """
    known = {view.name: view for view in views(deployment.pipeline)}
    named = views_in(sql, tuple(known), deployment.names.database)
    baseline = baseline_at(deployment, at)
    queries = {}
    for name in named:
        inputs = replace(view_inputs(deployment, name), baseline=baseline, as_of_us=microseconds(at))
        queries[name] = select_statement(known[name], deployment.pipeline, deployment.names, inputs)
    return with_queries(sql, queries)


def baseline_at(deployment: Deployment, at: datetime) -> Baseline | None:
    """Return the baseline that a moment's state starts from; None: it starts from the first change.

    Raises:
        UserError: What is needed to tell the state at that moment is not there, or no more.
    """
    store, pipeline, at_us = deployment.baselines, deployment.pipeline, microseconds(at)
    manifests = [] if pipeline.baseline == "none" else store.manifests()
    capture = store.capture()
    if capture is not None and at_us < capture.begun_us:
        raise UserError(
            f"{_shown(at)} lies before this pipeline streamed table {deployment.names.table}: until "
            f"{_shown(moment_of(capture.begun_us))} it streamed another one; states from then on can be told"
        )
    chosen = for_moment(manifests, at_us)
    if chosen is None and pipeline.baseline == "export":
        first = min((found.settled_us for found in manifests), default=None)
        raise UserError(
            f"{_shown(at)} lies before the first baseline that is kept ({_shown(moment_of(first))}): "
            "items that had not changed since the stream began would be missing"
            if first is not None
            else f"there is no baseline yet: run {pipeline.name}_baseline in Dagster; states from then on can be told"
        )
    in_catalog = deployment.hours_in_tables()
    if chosen is None and in_catalog and at < min(in_catalog):
        raise UserError(
            f"{_shown(at)} lies before the first change that is known: the first arrived in the hour "
            f"{min(in_catalog):%Y-%m-%dT%H}:00Z"
        )
    gone = expired_too_early(chosen, capture, deployment.hours_gone())
    # a change that arrived in an hour after the moment was, but for a late one, made after it
    gone = [hour for hour in gone if hour <= hour_of(at)]
    if gone:
        latest = newest(manifests)
        advice = f": states from {_shown(moment_of(latest.settled_us))} on can be asked for" if latest else ""
        raise UserError(f"{_shown(at)}: raw objects of {len(gone)} hours that tell of it have expired{advice}")
    if chosen is not None and chosen.baseline_id not in store.registered():
        store.register_manifests()
    return chosen.baseline if chosen else None


def gap_note(deployment: Deployment, at: datetime) -> str | None:
    """Say that the state at a moment may lack changes that nobody captured; None: as far as it is known, it does not.

    Args:
        deployment: The pipeline on its stage.
        at: The moment.
    """
    store = deployment.baselines
    manifests = [] if deployment.pipeline.baseline == "none" else store.manifests()
    if not is_behind_a_gap(manifests, store.capture(), microseconds(at)):
        return None
    return (
        "between this moment and the baseline before it, or the first change, changes were not captured for a while, "
        "another table was streamed, or the table was made again: the state may lack some of them"
    )


def views_in(sql: str, known: tuple[str, ...], database: str) -> list[str]:
    """Return the views that a query reads, in the order of `known`.

    Raises:
        UserError: It is no query, reads none of them, or names one in a way that a past state cannot stand in for.
    """
    tokens = list(_tokens(sql))
    if not tokens or tokens[0].lower() not in _QUERIES:
        raise UserError("--as-of takes one query, such as SELECT ... FROM latest_item_state")
    names = [_name(token) for token in tokens]
    found = set()
    for place, name in enumerate(names):
        if name not in known:
            continue
        if place > 1 and tokens[place - 1] == "." and names[place - 2] == database.lower():
            raise UserError(f"write {name} without {database}.: with its database it is the view, which stands now")
        found.add(name)
    if not found:
        raise UserError(f"the query reads none of the views ({', '.join(known)}), so --as-of would change nothing")
    return [name for name in known if name in found]


def with_queries(sql: str, queries: Mapping[str, str]) -> str:
    """Put named queries in front of a query, which may have some of its own.

    Args:
        sql: The query; a semicolon at its end goes.
        queries: Text of each named query.
    """
    tokens = list(_TOKEN.finditer(sql))
    significant = [token for token in tokens if not _is_comment(token.group())]
    end = significant[-1].start() if significant[-1].group() == ";" else len(sql)
    # each query may end in a comment: its parenthesis stands on a line of its own
    ours = ",\n".join(f"{quote_identifier(name)} AS (\n{text}\n)" for name, text in queries.items())
    words = [token.group().lower() for token in significant[:2]]
    if words[0] != "with":
        return f"WITH {ours}\n{sql[:end]}"
    opening = 2 if words[1:] == ["recursive"] else 1
    rest = sql[significant[opening - 1].end() : end]
    return f"{' '.join(words[:opening]).upper()} {ours},\n{rest}"


def _tokens(sql: str) -> Iterator[str]:
    return (token for token in _TOKEN.findall(sql) if not _is_comment(token))


def _is_comment(token: str) -> bool:
    return token.startswith("--") or (token.startswith("/*") and token.endswith("*/"))


def _name(token: str) -> str:
    """A token as the name that it may be: Athena's names know no case, quoted or not."""
    return token[1:-1].replace('""', '"').lower() if token.startswith('"') else token.lower()


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"

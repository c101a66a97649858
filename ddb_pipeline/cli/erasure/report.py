"""What an erasure has found, and what is said of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rich.markup import escape

from ddb_pipeline.cli.console import console
from ddb_pipeline.cli.erasure.keys import Item
from ddb_pipeline.cli.erasure.places import Place, RawObjects
from ddb_pipeline.cli.erasure.rows import Taken
from ddb_pipeline.resources.aws import Deployment

_SHOWN = 10


@dataclass
class Found:
    """What there is of an item.

    Attributes:
        places: Objects that hold it, and how.
        objects: How many objects were opened.
        unsure: Objects with lines that cannot be read and look as if they were the item's.
        unreadable: Objects that could not be read, and why.
        seen: All objects that were opened, as they were listed.
        others: Rows with the item's key that are of other tables, by table.
    """

    places: list[tuple[Place, Taken]] = field(default_factory=list)
    objects: int = 0
    unsure: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    seen: set[Place] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """How many rows, records and exported items."""
        return sum(taken.rows for _, taken in self.places)

    def add(self, late: Found) -> None:
        """Add what was found later."""
        self.places += late.places
        self.objects += late.objects
        self.unsure += [one for one in late.unsure if one not in self.unsure]
        self.unreadable += late.unreadable
        self.seen |= late.seen

    def newest_but_deletion(self, margin_seconds: int) -> str | None:
        """Return the name of the newest change that was found, if that is not the item's deletion; None: it is.

        Args:
            margin_seconds: By so much a baseline may be behind: an item that it holds may have been deleted before.
        """
        changes = [taken.newest for _, taken in self.places if taken.newest]
        ordered = [(at - 1_000_000 * margin_seconds * (name == "BASELINE"), name) for at, name in changes]
        newest = max(ordered)[1] if ordered else None
        return None if newest == "REMOVE" else newest


def seconds_under_way(deployment: Deployment) -> int:
    """After how long a change lies in S3: two buffers, and what a slow call takes."""
    return 2 * deployment.stage.buffer_seconds + 60


def say_found(deployment: Deployment, objects: RawObjects, item: Item, found: Found, newest: str | None) -> None:
    """Say what there is of the item, and what nobody looked into.

    Args:
        deployment: The pipeline on its stage.
        objects: Its raw bucket.
        item: The item.
        found: What was found.
        newest: Name of the newest change, if that is not the item's deletion.
    """
    names = deployment.names
    where = f"Pipeline {names.pipeline}, stage {names.stage}, table {item.table}"
    console.print(f"{where}: {found.objects} objects looked into.")
    by_place: dict[str, list[int]] = {}
    for place, taken in found.places:
        counts = by_place.setdefault(_kind_of_place(place), [0, 0])
        counts[0] += 1
        counts[1] += taken.rows
    for kind, (count, rows) in by_place.items():
        console.print(f"  {kind}: {rows} rows of the item in {count} objects")
    if not found.places:
        console.print("  nothing of the item is there")
    elif newest:
        console.print(
            f"[yellow]The newest change that was found is {newest}, not the item's deletion:[/] that may "
            "still be under way, and holds the last image."
        )
    for table, rows in sorted(found.others.items()):
        console.print(
            f"[yellow]{rows} rows with this key are of table {escape(table)}, so of another item, and stay:[/] "
            f"--table {escape(table)} is for them."
        )
    say_doubts(objects, found.unreadable, found.unsure)
    if strangers := objects.strangers():
        console.print(
            f"[yellow]Not looked into, as nobody of this project wrote them:[/] {', '.join(strangers[:_SHOWN])}"
        )


def say_doubts(objects: RawObjects, unreadable: list[str], unsure: list[str]) -> None:
    """Name objects that may hold the item still, some of many."""
    for title, keys in (("cannot be read", unreadable), ("holds lines that look like it", unsure)):
        for one in keys[:_SHOWN]:
            console.print(f"[yellow]s3://{objects.names.raw_bucket}/{escape(one)} {title}[/]")
        if len(keys) > _SHOWN:
            console.print(f"[yellow]... and {len(keys) - _SHOWN} more[/]")


def say_done(deployment: Deployment, item: Item, found: Found, begun: datetime) -> None:
    """Say what was taken out, and what this cannot reach."""
    stage, names = deployment.stage, deployment.names
    shown = "; views show it no more" if item.table == names.table else ""
    console.print(f"[green]Erased:[/] {found.rows} rows in {len(found.places)} objects{shown}.")
    sure = begun + timedelta(seconds=seconds_under_way(deployment))
    console.print(
        f"What was written, deleted or replayed shortly before {begun:%H:%M} UTC may arrive after this: to be sure, "
        f"run it again after {sure:%H:%M} UTC."
    )
    kept = begun + timedelta(hours=stage.stream_retention_hours)
    console.print("What this cannot reach (docs/erasure.md):")
    console.print(f"  the Kinesis stream {names.change_stream} keeps its records until {kept:%Y-%m-%d %H:%M} UTC;")
    console.print(f"  point-in-time recovery and backups of table {item.table}, for as long as they are kept;")
    console.print("  Dagster's own history, where previews of views and results of checks tell of items;")
    console.print("  copies that somebody made.")


def _kind_of_place(place: Place) -> str:
    return place.key.split("/", 1)[0] if not place.key.startswith("baselines/") else "/".join(place.key.split("/")[:2])

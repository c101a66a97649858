"""`ddb-pipeline erase`: everything that S3 holds of one item, found and taken out.

Slow and complete: every object is opened, so nothing depends on what the catalog knows. What has been done is never
done again, so that an interrupted erasure goes on with the same command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ddb_pipeline.cli.choice import chosen_pipeline
from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.cli.erasure.keys import Comparable, for_boto3, read_key
from ddb_pipeline.cli.erasure.places import Place, RawObjects
from ddb_pipeline.cli.erasure.rows import Taken, UnreadableError
from ddb_pipeline.cli.interrupts import terminated_as_interrupt
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.errors import STAGE_ADVICE, explained
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource, make_client

_AT_ONCE = 8
"""Objects that are open at a time; each may take its decompressed size of memory several times over."""
_SHOWN = 10
_ADVICE = replace(
    STAGE_ADVICE,
    denied="erasing takes rights that the stack's policies for Dagster do not hold (docs/erasure.md lists them): use "
    "credentials that have them; the same command goes on from here",
)


@dataclass
class Found:
    """What there is of an item.

    Attributes:
        places: Objects that hold it, and how.
        objects: How many objects were opened.
        unsure: Objects with lines that cannot be read and look as if they were the item's.
        unreadable: Objects that could not be read, and why.
    """

    places: list[tuple[Place, Taken]] = field(default_factory=list)
    objects: int = 0
    unsure: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows, records and exported items."""
        return sum(taken.rows for _, taken in self.places)

    def newest_but_deletion(self, margin_seconds: int) -> str | None:
        """Return the name of the newest change that was found, if that is not the item's deletion; None: it is.

        Args:
            margin_seconds: By so much a baseline may be behind: an item that it holds may have been deleted before.
        """
        changes = [taken.newest for _, taken in self.places if taken.newest]
        ordered = [(at - 1_000_000 * margin_seconds * (name == "BASELINE"), name) for at, name in changes]
        newest = max(ordered)[1] if ordered else None
        return None if newest == "REMOVE" else newest


def run_erase(key_text: str, *, pipeline_name: str | None, apply: bool, without_deletion: bool) -> None:
    """Find what S3 holds of an item; take it out if that is wanted.

    Args:
        key_text: The item's key, as JSON.
        pipeline_name: Whose table; None: the only pipeline's.
        apply: Whether anything is changed.
        without_deletion: Whether it is taken out though the newest change found is not its deletion.

    Raises:
        UserError: It cannot be done now; nothing was changed.
        PipelineError: AWS refuses.
    """
    declaration = load_declaration()
    name = chosen_pipeline(declaration.pipelines, pipeline_name)
    key = read_key(key_text, declaration.pipelines[name])
    resource = PipelineAwsResource(declaration_file=str(declaration.path))
    with (
        terminated_as_interrupt(),
        resource.deployment(name) as deployment,
        explained(deployment.settings.where, _ADVICE),
    ):
        objects = RawObjects(make_client("s3", deployment.settings.connection), deployment.names)
        erase_item(deployment, objects, key, apply=apply, without_deletion=without_deletion)


def erase_item(
    deployment: Deployment, objects: RawObjects, key: Comparable, *, apply: bool, without_deletion: bool = False
) -> None:
    """Find what S3 holds of an item; take it out if that is wanted.

    Args:
        deployment: The pipeline on its stage.
        objects: Its raw bucket.
        key: The item's key.
        apply: Whether anything is changed.
        without_deletion: Whether it is taken out though the newest change found is not its deletion.

    Raises:
        UserError: It cannot be done now, or something of the item may be left; the message says which.
    """
    _require_possible(deployment, objects, key)
    begun = datetime.now(UTC)
    found = _search(objects, objects.places(), key)
    margin = deployment.stage.baseline_margin_seconds
    newest = found.newest_but_deletion(margin)
    _say_found(deployment, objects, found, newest)
    if not apply:
        console.print("\nNothing was changed. With --apply it is taken out.")
        return
    if newest and not without_deletion:
        # erased now, the next run would find nothing and call that a success, and the deletion would arrive after it
        raise UserError(
            f"the item's deletion is not among what was found, and holds its last image; nothing was changed: run this "
            f"again in {_seconds_under_way(deployment)} seconds, or replay failed deliveries; if it will never arrive, "
            "as the table did not stream or the record was lost, --without-deletion erases what is there"
        )
    _erase(deployment, objects, key, found, begun)
    _say_done(deployment, found, begun)
    if found.unsure or found.unreadable:
        raise UserError(
            "the item may be left in the objects named above: look at them, and delete or mend them by hand"
        )
    newest = found.newest_but_deletion(margin)
    if newest and not without_deletion:
        raise UserError(
            f"a {newest} of the item arrived meanwhile, and its deletion did not: run this again in "
            f"{_seconds_under_way(deployment)} seconds"
        )


def _seconds_under_way(deployment: Deployment) -> int:
    """After how long a change lies in S3: two buffers, and what a slow call takes."""
    return 2 * deployment.stage.buffer_seconds + 60


def _require_possible(deployment: Deployment, objects: RawObjects, key: Comparable) -> None:
    """Check that an erasure now is one that lasts.

    Raises:
        UserError: It is not.
    """
    names = deployment.names
    dynamodb = make_client("dynamodb", deployment.settings.connection)
    if dynamodb.get_item(TableName=names.table, Key=for_boto3(key), ConsistentRead=True).get("Item"):
        raise UserError(
            f"the item is in table {names.table}: delete it there first; its deletion is a change too, which has to "
            "arrive in S3 before it can be erased with the rest"
        )
    for bucket in (names.raw_bucket, names.results_bucket):
        if objects.versioned(bucket):
            raise UserError(
                f"bucket {bucket} has versions, which keep what is replaced: somebody switched them on; delete the old "
                "versions and suspend versioning, or erase there by hand"
            )
    if pending := deployment.baselines.pending():
        raise UserError(
            f"baseline {pending[0].baseline_id} is being made, and would bring the item back: wait until it is done, "
            f"or run {names.pipeline}_baseline again, which finishes it"
        )


def _search(objects: RawObjects, places: Iterable[Place], key: Comparable) -> Found:
    """Open every object and look for the item."""
    found = Found()

    def look(place: Place) -> Taken:
        return objects.look(place, key)

    for place, taken in _each(look, list(places), "Looking", found):
        if taken.rows:
            found.places.append((place, taken))
        if taken.unsure:
            found.unsure.append(place.key)
    return found


def _erase(deployment: Deployment, objects: RawObjects, key: Comparable, found: Found, begun: datetime) -> None:
    """Take the item out.

    The object with its newest change is the last one: a broken-off erasure can then be told from a lost deletion.
    """
    # what an interrupted erasure of before left
    _mend_manifests(deployment, objects)
    ordered = sorted(found.places, key=lambda one: (one[1].newest or (0, ""), one[0].key))
    last = ordered[-1:]
    for part in (ordered[:-1], last):
        for _ in _each(lambda place: objects.replace(place, key), [place for place, _ in part], "Erasing", found):
            pass
    # what came meanwhile: an object of a late delivery, a file of a baseline
    seen = {place.etag for place, _ in found.places}
    since = begun - timedelta(minutes=1)
    late = _search(objects, [one for one in objects.places() if one.written >= since and one.etag not in seen], key)
    for _ in _each(lambda place: objects.replace(place, key), [place for place, _ in late.places], "Erasing", found):
        pass
    found.places += late.places
    found.unsure += late.unsure
    found.unreadable += late.unreadable
    _mend_manifests(deployment, objects)
    deleted = objects.empty(deployment.names.results_bucket)
    console.print(f"{deleted} query results deleted.")


def _mend_manifests(deployment: Deployment, objects: RawObjects) -> None:
    """Let the manifests of baselines say what their files are now.

    Looks again after it wrote: another erasure may have rewritten a file since, and mended the manifest before this.
    """
    store = deployment.baselines
    is_mended = False
    while not is_mended:
        is_mended = True
        for manifest in store.manifests_of_all_tables():
            mended = objects.mended(manifest, store.files(manifest.baseline_id))
            if mended != manifest:
                store.rewrite(mended)
                is_mended = False


def _each(work: Callable[[Place], Taken], places: list[Place], text: str, found: Found) -> list[tuple[Place, Taken]]:
    """Do something with each object, some at a time; one that cannot be read is noted."""
    done: list[tuple[Place, Taken]] = []

    def guarded(place: Place) -> Taken | str:
        try:
            return work(place)
        except UnreadableError as error:
            return f"{place.key} ({error})"

    bar = Progress(TextColumn(text), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console,
                   transient=True)  # fmt: skip
    with bar, ThreadPoolExecutor(_AT_ONCE) as pool:
        task = bar.add_task(text, total=len(places))
        try:
            for place, taken in zip(places, pool.map(guarded, places), strict=True):
                bar.advance(task)
                found.objects += text == "Looking"
                if isinstance(taken, str):
                    found.unreadable.append(taken)
                else:
                    done.append((place, taken))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return done


def _say_found(deployment: Deployment, objects: RawObjects, found: Found, newest: str | None) -> None:
    names = deployment.names
    console.print(f"Pipeline {names.pipeline}, stage {names.stage}: {found.objects} objects looked into.")
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
    for title, keys in (("cannot be read", found.unreadable), ("holds lines that look like it", found.unsure)):
        for one in keys[:_SHOWN]:
            console.print(f"[yellow]s3://{names.raw_bucket}/{one} {title}[/]", markup=True)
        if len(keys) > _SHOWN:
            console.print(f"[yellow]... and {len(keys) - _SHOWN} more[/]")
    if strangers := objects.strangers():
        console.print(
            f"[yellow]Not looked into, as nobody of this project wrote them:[/] {', '.join(strangers[:_SHOWN])}"
        )


def _say_done(deployment: Deployment, found: Found, begun: datetime) -> None:
    stage, names = deployment.stage, deployment.names
    console.print(f"[green]Erased:[/] {found.rows} rows in {len(found.places)} objects; views show it no more.")
    sure = begun + timedelta(seconds=_seconds_under_way(deployment))
    console.print(
        f"What was written, deleted or replayed shortly before {begun:%H:%M} UTC may arrive after this: to be sure, "
        f"run it again after {sure:%H:%M} UTC."
    )
    kept = begun + timedelta(hours=stage.stream_retention_hours)
    console.print("What this cannot reach (docs/erasure.md):")
    console.print(f"  the Kinesis stream {names.change_stream} keeps its records until {kept:%Y-%m-%d %H:%M} UTC;")
    console.print(f"  point-in-time recovery and backups of table {names.table}, for as long as they are kept;")
    console.print("  Dagster's own history, where previews of views and results of checks tell of items;")
    console.print("  copies that somebody made.")
    if any(manifest.source == "snapshot" for manifest in deployment.baselines.manifests()):
        console.print(
            f"Run {names.pipeline}_baseline in Dagster next: until then its check takes rewritten objects for late "
            "changes."
        )


def _kind_of_place(place: Place) -> str:
    return place.key.split("/", 1)[0] if not place.key.startswith("baselines/") else "/".join(place.key.split("/")[:2])

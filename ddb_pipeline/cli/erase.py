"""`ddb-pipeline erase`: everything that S3 holds of one item, found and taken out.

Slow and complete: every object is opened, so nothing depends on what the catalog knows. What has been done is never
done again, so that an interrupted erasure goes on with the same command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from botocore.exceptions import ClientError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ddb_pipeline.cli.choice import chosen_pipeline
from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.cli.erasure.keys import Item, for_boto3, read_key, read_typed_key
from ddb_pipeline.cli.erasure.places import Place, RawObjects
from ddb_pipeline.cli.erasure.report import Found, say_done, say_doubts, say_found, seconds_under_way
from ddb_pipeline.cli.erasure.rows import Taken, UnreadableError
from ddb_pipeline.cli.interrupts import terminated_as_interrupt
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.declaration.pipelines import TABLE_NAME
from ddb_pipeline.errors import STAGE_ADVICE, explained
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource, make_client

_AT_ONCE = 8
"""Objects that are open at a time; each may take its decompressed size of memory several times over."""
_ADVICE = replace(
    STAGE_ADVICE,
    denied="erasing takes rights that the stack's policies for Dagster do not hold (docs/erasure.md lists them): use "
    "credentials that have them; the same command goes on from here",
)


def run_erase(
    key_text: str, *, pipeline_name: str | None, table: str | None, apply: bool, without_deletion: bool
) -> None:
    """Find what S3 holds of an item; take it out if that is wanted.

    Args:
        key_text: The item's key, as JSON.
        pipeline_name: Whose table; None: the only pipeline's.
        table: Name of the table; None: the one that is streamed now.
        apply: Whether anything is changed.
        without_deletion: Whether it is taken out though the newest change found is not its deletion.

    Raises:
        UserError: It cannot be done now; nothing was changed.
        PipelineError: AWS refuses.
    """
    declaration = load_declaration()
    name = chosen_pipeline(declaration.pipelines, pipeline_name)
    if table is not None and not re.fullmatch(TABLE_NAME, table):
        raise UserError("--table is a table's name of 3 to 255 characters (a-z A-Z 0-9 _ . -), not its ARN")
    resource = PipelineAwsResource(declaration_file=str(declaration.path))
    with (
        terminated_as_interrupt(),
        resource.deployment(name) as deployment,
        explained(deployment.settings.where, _ADVICE),
    ):
        streamed = deployment.names.table
        is_streamed = table in (None, streamed)
        key = read_key(key_text, declaration.pipelines[name]) if is_streamed else read_typed_key(key_text)
        item = Item(table or streamed, key)
        objects = RawObjects(make_client("s3", deployment.settings.connection), deployment.names)
        erase_item(deployment, objects, item, apply=apply, without_deletion=without_deletion)


def erase_item(
    deployment: Deployment, objects: RawObjects, item: Item, *, apply: bool, without_deletion: bool = False
) -> None:
    """Find what S3 holds of an item; take it out if that is wanted.

    Args:
        deployment: The pipeline on its stage.
        objects: Its raw bucket.
        item: The item.
        apply: Whether anything is changed.
        without_deletion: Whether it is taken out though the newest change found is not its deletion.

    Raises:
        UserError: It cannot be done now, or something of the item may be left; the message says which.
    """
    _require_possible(deployment, objects, item, without_deletion=without_deletion)
    begun = datetime.now(UTC)
    found = _search(objects, objects.places(), item)
    margin = deployment.stage.baseline_margin_seconds
    newest = found.newest_but_deletion(margin)
    say_found(deployment, objects, item, found, newest)
    if not apply:
        console.print("\nNothing was changed. With --apply it is taken out.")
        return
    if newest and not without_deletion:
        # erased now, the next run would find nothing and call that a success, and the deletion would arrive after it
        raise UserError(
            f"the item's deletion is not among what was found, and holds its last image; nothing was changed: run this "
            f"again in {seconds_under_way(deployment)} seconds, or replay failed deliveries; if it will never arrive, "
            "as the table did not stream or the record was lost, --without-deletion erases what is there"
        )
    named = len(found.unreadable), len(found.unsure)
    unproved = _erase(deployment, objects, item, found)
    say_doubts(objects, found.unreadable[named[0] :], found.unsure[named[1] :])
    if unproved:
        raise UserError(unproved)
    say_done(deployment, item, found, begun)
    if found.unsure or found.unreadable:
        raise UserError(
            "the item may be left in the objects named above: look at them, and delete or mend them by hand"
        )
    newest = found.newest_but_deletion(margin)
    if newest and not without_deletion:
        raise UserError(
            f"a {newest} of the item arrived meanwhile, and its deletion did not: run this again in "
            f"{seconds_under_way(deployment)} seconds"
        )


def _require_possible(deployment: Deployment, objects: RawObjects, item: Item, *, without_deletion: bool) -> None:
    """Check that an erasure now is one that lasts.

    Raises:
        UserError: It is not.
    """
    names = deployment.names
    is_streamed = item.table == names.table
    if (is_streamed or not without_deletion) and _is_in_its_table(deployment, item):
        raise UserError(
            f"the item is in table {item.table}: delete it there first; its deletion is a change too, which has to "
            "arrive in S3 before it can be erased with the rest"
            + ("" if is_streamed else "; if that table streams no more and keeps it, say --without-deletion")
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


def _is_in_its_table(deployment: Deployment, item: Item) -> bool:
    """Whether the table holds the item; one that was streamed before may be gone.

    Raises:
        UserError: The table has another key.
    """
    dynamodb = make_client("dynamodb", deployment.settings.connection)
    try:
        found = dynamodb.get_item(TableName=item.table, Key=for_boto3(item.key), ConsistentRead=True)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == "ResourceNotFoundException" and item.table != deployment.names.table:
            return False
        if code == "ValidationException":
            reason = error.response["Error"].get("Message", code)
            raise UserError(f"--key is no key of table {item.table}: {reason}") from None
        raise
    return bool(found.get("Item"))


def _search(objects: RawObjects, places: Iterable[Place], item: Item) -> Found:
    """Open every object and look for the item."""
    listed = list(places)
    found = Found(seen=set(listed))

    def look(place: Place) -> Taken:
        return objects.look(place, item)

    for place, taken in _each(look, listed, "Looking", found):
        if taken.rows:
            found.places.append((place, taken))
        if taken.unsure:
            found.unsure.append(place.key)
        found.others.update(taken.others)
    return found


def _erase(deployment: Deployment, objects: RawObjects, item: Item, found: Found) -> str | None:
    """Take the item out.

    The object with its newest change is the last one: a broken-off erasure can then be told from a lost deletion.

    Returns:
        What is to be done because of a baseline that was being made meanwhile, and may hold the item; None: nothing.
    """
    # what an interrupted erasure of before left
    _mend_manifests(deployment, objects)
    ordered = sorted(found.places, key=lambda one: (one[1].newest or (0, ""), one[0].key))
    others, last = ([place for place, _ in part] for part in (ordered[:-1], ordered[-1:]))
    _replace(objects, others, item, found)
    advice = "run this again when it is done"
    pending = _catch_up(deployment, objects, item, found, spared=last)
    if last and pending is None:
        _replace(objects, last, item, found)
        if pending := _catch_up(deployment, objects, item, found):
            advice += ", with --without-deletion, as the deletion is taken out already"
    _mend_manifests(deployment, objects)
    deleted = objects.empty(deployment.names.results_bucket)
    console.print(f"{deleted} query results deleted.")
    return pending and f"baseline {pending} was being made meanwhile, and may hold the item again: {advice}"


def _replace(objects: RawObjects, places: list[Place], item: Item, found: Found) -> None:
    for _ in _each(lambda place: objects.replace(place, item), places, "Erasing", found):
        pass


def _catch_up(
    deployment: Deployment, objects: RawObjects, item: Item, found: Found, spared: Iterable[Place] = ()
) -> str | None:
    """Take the item out of what came meanwhile: objects of late deliveries, files of baselines.

    A baseline that is being made has read what was there before; one that begins when nothing is left cannot hold the
    item. So it is over when none is being made, and then nothing new holds the item: one that was made may have been
    read by the next.

    Args:
        deployment: The pipeline on its stage.
        objects: Its raw bucket.
        item: The item.
        found: What there is of it; what is found here is added.
        spared: Objects whose turn has not come.

    Returns:
        Id of a baseline that is being made; None: nothing is left.
    """
    turn = {place.key for place in spared}
    while True:
        # before the objects are listed: whatever was begun and is done by now has its files there
        if pending := deployment.baselines.pending():
            return pending[0].baseline_id
        new = [place for place in objects.places() if place not in found.seen and place.key not in turn]
        late = _search(objects, new, item)
        _replace(objects, [place for place, _ in late.places], item, found)
        found.add(late)
        if not late.places:
            return None


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

"""A baseline from a DynamoDB export: exported, its files turned into rows, each once, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ddb_pipeline.baselines import EXPORTED_PREFIX
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.table_export import Export

_FILES_AT_ONCE = 8


def convert_export(deployment: Deployment, baseline_id: str, export: Export, note: Callable[[str], None]) -> int:
    """Turn the files of a complete export into rows of `exported_items`.

    A file whose rows are there is not converted again: the function writes all of them or none, after it has compared
    the file with its MD5 and its count in the export's manifest.

    Args:
        deployment: The pipeline on its stage.
        baseline_id: Id of the baseline.
        export: The export.
        note: Takes a line for the log.

    Returns:
        The number of items.

    Raises:
        PipelineError: A file is not what the manifest says, or the counts do not add up.
    """
    store, names = deployment.baselines, deployment.names
    files = _files(deployment, export)
    items = sum(int(file["itemCount"]) for file in files)
    if items != export.items:
        raise PipelineError(f"export {export.arn}: its files hold {items} items, and DynamoDB says {export.items}")
    done = store.exported_keys(baseline_id)
    waiting = [
        file
        for file in files
        # an empty file has no rows to write
        if int(file["itemCount"]) and _target_key(baseline_id, str(file["dataFileS3Key"])) not in done
    ]
    note(f"{len(files)} files with {items} items, {len(waiting)} to convert")

    def convert(file: dict[str, Any]) -> None:
        deployment.baseline_converter.convert(
            {
                "baseline_id": baseline_id,
                "source_key": file["dataFileS3Key"],
                "item_count": int(file["itemCount"]),
                "md5": file["md5Checksum"],
                "table_name": names.table,
                "aws_region": names.region,
                "key_attributes": [attribute.name for attribute in deployment.pipeline.key_attributes],
                "as_of_us": export.as_of_us,
            }
        )

    pool = ThreadPoolExecutor(_FILES_AT_ONCE)
    try:
        for _ in pool.map(convert, waiting):
            pass
    finally:
        # after a failure or an interrupt: what has not begun shall not
        pool.shutdown(cancel_futures=True)
    store.register_exported_items(baseline_id)
    return items


def _files(deployment: Deployment, export: Export) -> list[dict[str, Any]]:
    """The data files as the export's manifests list them (developerguide/S3DataExport.Output.html)."""
    store = deployment.baselines
    if export.manifest_key is None:
        raise PipelineError(f"export {export.arn} is complete but names no manifest: run the job again")
    try:
        summary = json.loads(store.read_text(export.manifest_key))
        listed = store.read_text(str(summary["manifestFilesS3Key"]))
    except store.s3.exceptions.NoSuchKey:
        raise PipelineError(
            f"the files of export {export.arn} are gone from s3://{store.bucket}: delete its object below "
            "baselines/pending/ and run the job again, which makes a new export"
        ) from None
    return [json.loads(line) for line in listed.splitlines() if line.strip()]


def _target_key(baseline_id: str, source_key: str) -> str:
    return f"{EXPORTED_PREFIX}baseline_id={baseline_id}/{source_key.rpartition('/')[2]}"

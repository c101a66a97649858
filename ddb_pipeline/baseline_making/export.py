"""A baseline from a DynamoDB export: exported, its files turned into rows, each once, and counted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ddb_pipeline.baselines import EXPORTED_PREFIX
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.table_export import Export, ExportFailedError
from ddb_pipeline.resources.waiting import Waiting

_FILES_AT_ONCE = 8
_FILE_SECONDS = 1800.0
"""How long a file is tried: throttling passes, and that an answer was lost shows after a quarter of an hour."""


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
        ExportFailedError: A file is not what the manifest says, or the counts do not add up.
        PipelineError: A file could not be converted for another reason.
    """
    store = deployment.baselines
    files = _files(deployment, export)
    items = sum(int(file["itemCount"]) for file in files)
    if items != export.items:
        raise ExportFailedError(
            f"export {export.arn}: its files hold {items} items, and DynamoDB says {export.items}: run the job again, "
            "which makes a new export"
        )
    done = store.exported_keys(baseline_id)
    waiting = [
        file
        for file in files
        # an empty file has no rows to write
        if int(file["itemCount"]) and _target_key(baseline_id, str(file["dataFileS3Key"])) not in done
    ]
    note(f"{len(files)} files with {items} items, {len(waiting)} to convert")
    conversion = _Conversion(deployment, baseline_id, export, note)
    pool = ThreadPoolExecutor(_FILES_AT_ONCE)
    try:
        for _ in pool.map(conversion.of_file, waiting):
            pass
    finally:
        # after a failure or an interrupt: what has not begun shall not, nor what would be tried again
        conversion.ended.set()
        pool.shutdown(cancel_futures=True)
    store.register_exported_items(baseline_id)
    return items


@dataclass(frozen=True)
class _Conversion:
    """Turns files into rows, and tries again what may pass until the whole has ended."""

    deployment: Deployment
    baseline_id: str
    export: Export
    note: Callable[[str], None]
    ended: threading.Event = field(default_factory=threading.Event)

    def of_file(self, file: Mapping[str, Any]) -> None:
        source_key, pipeline, names = str(file["dataFileS3Key"]), self.deployment.pipeline, self.deployment.names
        event = {
            "baseline_id": self.baseline_id,
            "source_key": source_key,
            "item_count": int(file["itemCount"]),
            "md5": file["md5Checksum"],
            "table_name": names.table,
            "aws_region": names.region,
            "key_attributes": [attribute.name for attribute in pipeline.key_attributes],
            "as_of_us": self.export.as_of_us,
        }
        target_key = _target_key(self.baseline_id, source_key)
        waiting = Waiting(_FILE_SECONDS, first_seconds=1, longest_seconds=30, sleep=self._sleep)
        while True:
            try:
                self.deployment.baseline_converter.convert(event)
            except PipelineError as error:
                if not error.transient or waiting.is_over or self.ended.is_set():
                    raise
                # perhaps the answer alone is lost: what is written shall not be made, and paid for, once more
                if target_key in self.deployment.baselines.exported_keys(self.baseline_id):
                    return
                self.note(f"{source_key} is tried again: {error}")
                waiting.pause()
            else:
                return

    def _sleep(self, seconds: float) -> None:
        self.ended.wait(seconds)


def _files(deployment: Deployment, export: Export) -> list[dict[str, Any]]:
    """The data files as the export's manifests list them (developerguide/S3DataExport.Output.html).

    Raises:
        ExportFailedError: There is no manifest, or none that can be read.
    """
    store = deployment.baselines
    if export.manifest_key is None:
        raise ExportFailedError(f"export {export.arn} is complete but names no manifest: run the job again")
    try:
        summary = json.loads(store.read_text(export.manifest_key))
        listed = store.read_text(str(summary["manifestFilesS3Key"]))
        return [json.loads(line) for line in listed.splitlines() if line.strip()]
    except store.s3.exceptions.NoSuchKey:
        what = f"the files of export {export.arn} are gone from s3://{store.bucket}"
    except (ValueError, KeyError) as error:
        what = f"the manifest of export {export.arn} cannot be read ({error!r})"
    raise ExportFailedError(f"{what}: run the job again, which makes a new export")


def _target_key(baseline_id: str, source_key: str) -> str:
    return f"{EXPORTED_PREFIX}baseline_id={baseline_id}/{source_key.rpartition('/')[2]}"

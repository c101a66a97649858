"""The error log of a delivery stream: what went wrong, in the log stream that its settings name."""

from __future__ import annotations

import json
import logging
import threading
import time

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import logs_backends

from ddb_pipeline.local_aws.delivery.settings import DeliverySettings

LOG = logging.getLogger(__name__)

# an error that lasts is told again after this time, not with every attempt
_SAME_ERROR_SECONDS = 60.0


class ErrorLog:
    """Writes errors as Firehose does (firehose/latest/dev/monitoring-with-cloudwatch-logs.html).

    Args:
        settings: Settings of the delivery stream; they may be replaced.
        arn: ARN of the delivery stream.
        account_id: Account of the log group.
        region: Region of the log group.
    """

    def __init__(self, settings: DeliverySettings, *, arn: str, account_id: str, region: str) -> None:
        self.settings = settings
        self._arn = arn
        self._account_id = account_id
        self._region = region
        self._lock = threading.Lock()
        self._written: dict[tuple[str, str], float] = {}

    def write(self, code: str, message: str, *, processor: str | None = None) -> None:
        """Log an error, unless the same one was logged a moment ago.

        Args:
            code: Error code, such as `S3.NoSuchBucket`.
            message: What happened and what to do.
            processor: ARN of the function, for its errors.
        """
        now = time.monotonic()
        with self._lock:
            if now - self._written.get((code, message), -_SAME_ERROR_SECONDS) < _SAME_ERROR_SECONDS:
                return
            self._written[(code, message)] = now
        LOG.warning("delivery stream %s: %s: %s", self.settings.name, code, message)
        if self.settings.log_group is None or self.settings.log_stream is None:
            return
        content = {
            "deliveryStreamARN": self._arn,
            "destination": f"arn:aws:s3:::{self.settings.bucket}",
            "deliveryStreamVersionId": self.settings.version,
            "message": message,
            "errorCode": code,
        }
        if processor is not None:
            content["processor"] = processor
        entry = {"timestamp": time.time_ns() // 1_000_000, "message": json.dumps(content)}
        try:
            logs_backends[self._account_id][self._region].put_log_events(
                self.settings.log_group, self.settings.log_stream, [entry]
            )
        except ResourceNotFoundException:
            # as on AWS, Firehose makes no log stream; the warning above remains
            LOG.warning("delivery stream %s: its log stream does not exist", self.settings.name)

"""Firehose's API on moto: delivery streams that really deliver, for the settings this project uses."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NoReturn

from moto.core.responses import ActionResult, EmptyResult
from moto.firehose import urls as firehose_urls
from moto.firehose.exceptions import (
    ConcurrentModificationException,
    InvalidArgumentException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from moto.firehose.models import DeliveryStream, FirehoseBackend, firehose_backends
from moto.firehose.responses import FirehoseResponse
from moto.kinesis.exceptions import StreamNotFoundError

from ddb_pipeline.local_aws.change_stream.kinesis import streams_of
from ddb_pipeline.local_aws.change_stream.shards import IndexedStream
from ddb_pipeline.local_aws.delivery.checks import InvalidSettingError, refuse_others
from ddb_pipeline.local_aws.delivery.invocations import Place
from ddb_pipeline.local_aws.delivery.outbox import DeliveryCounts
from ddb_pipeline.local_aws.delivery.settings import DeliverySettings, delivery_settings, with_defaults
from ddb_pipeline.local_aws.delivery.worker import DeliveryWorker

_POLL_SECONDS = 0.02
_UPDATE = ("DeliveryStreamName", "CurrentDeliveryStreamVersionId", "DestinationId", "ExtendedS3DestinationUpdate")


class DeliveryBackend(FirehoseBackend):
    """moto's Firehose with a worker behind every delivery stream."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.workers: dict[str, DeliveryWorker] = {}

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(url_bases=firehose_urls.url_bases, url_paths={"{0}/$": DeliveryResponse.dispatch})

    def create_from_request(self, request: dict[str, Any]) -> str:
        """Create a delivery stream and start its worker.

        Args:
            request: The whole CreateDeliveryStream request.

        Returns:
            The ARN.

        Raises:
            InvalidArgumentException: A setting is wrong or not supported, or there is no such Kinesis stream.
        """
        try:
            settings = delivery_settings(request)
        except InvalidSettingError as error:
            raise InvalidArgumentException(str(error)) from None
        try:
            stream = streams_of(self.account_id, self.region_name).describe_stream(settings.source_arn, None)
        except (StreamNotFoundError, IndexError):
            raise InvalidArgumentException(
                f"The Kinesis stream {settings.source_arn} does not exist in this account and region"
            ) from None
        arn = self._describe_as(settings, copy.deepcopy(request))
        self.delivery_streams[settings.name].delivery_stream_status = "CREATING"
        self._start(settings, Place(arn, settings.source_arn, self.account_id, self.region_name), stream, None)
        return arn

    def resume(self, settings: DeliverySettings, place: Place, positions: Mapping[str, int] | None) -> None:
        """Let a delivery stream go on in another process.

        Args:
            settings: Its settings.
            place: Where everything involved is.
            positions: Up to where on each shard everything is in S3; None if it was not active yet.
        """
        stream = streams_of(self.account_id, self.region_name).describe_stream(place.source_arn, None)
        self._start(settings, place, stream, positions)

    def _start(
        self, settings: DeliverySettings, place: Place, stream: IndexedStream, positions: Mapping[str, int] | None
    ) -> None:
        described = self.delivery_streams[settings.name]

        def activate() -> None:
            if described.delivery_stream_status == "CREATING":
                described.source["DeliveryStartTimestamp"] = datetime.now(UTC).replace(tzinfo=None)
                described.delivery_stream_status = "ACTIVE"

        self.workers[settings.name] = DeliveryWorker(settings, place, stream, activate, positions)
        self.workers[settings.name].start()

    def update_from_request(self, request: dict[str, Any]) -> None:
        """Change the destination of a delivery stream: what the request does not name stays as it is.

        Args:
            request: The whole UpdateDestination request.

        Raises:
            ResourceNotFoundException: There is no such delivery stream.
            ConcurrentModificationException: The version is not the present one.
            InvalidArgumentException: A setting is wrong or not supported, or there is no such destination.
        """
        name, version = str(request["DeliveryStreamName"]), str(request["CurrentDeliveryStreamVersionId"])
        described = self._active(name)
        if described.version_id != version:
            raise ConcurrentModificationException(
                f"The specified version {version} of delivery stream {name} is not its version {described.version_id}"
            )
        [destination] = described.destinations
        if request["DestinationId"] != destination["destination_id"]:
            raise InvalidArgumentException(f"Destination Id {request['DestinationId']} not found")
        source = {key: value for key, value in described.source.items() if key != "DeliveryStartTimestamp"}
        try:
            refuse_others("UpdateDestination", request, _UPDATE)
            merged = {**destination["ExtendedS3"], **(request.get("ExtendedS3DestinationUpdate") or {})}
            whole = {
                "DeliveryStreamName": name,
                "DeliveryStreamType": described.delivery_stream_type,
                "KinesisStreamSourceConfiguration": source,
                "ExtendedS3DestinationConfiguration": merged,
            }
            settings = delivery_settings(whole, int(version) + 1)
            merged = with_defaults(merged)
        except InvalidSettingError as error:
            raise InvalidArgumentException(str(error)) from None
        plain = {key: merged[key] for key in destination["S3"] if key in merged}
        described.destinations = [{**destination, "ExtendedS3": merged, "S3": plain}]
        described.version_id = str(settings.version)
        described.last_update_timestamp = datetime.now(UTC).replace(tzinfo=None)
        self.workers[name].update(settings)

    def _active(self, name: str) -> DeliveryStream:
        described = self.delivery_streams.get(name)
        if described is None:
            raise ResourceNotFoundException(f"Firehose {name} under account {self.account_id} not found.")
        if described.delivery_stream_status == "CREATING":
            raise ResourceInUseException(f"Firehose {name} under account {self.account_id} is being created.")
        return described

    def _describe_as(self, settings: DeliverySettings, request: dict[str, Any]) -> str:
        source = {
            **request["KinesisStreamSourceConfiguration"],
            # until it is known: when the delivery stream is active
            "DeliveryStartTimestamp": datetime.now(UTC).replace(tzinfo=None),
        }
        none: Any = None
        return self.create_delivery_stream(
            self.region_name,
            delivery_stream_name=settings.name,
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=source,
            delivery_stream_encryption_configuration_input=none,
            s3_destination_configuration=none,
            extended_s3_destination_configuration=with_defaults(request["ExtendedS3DestinationConfiguration"]),
            redshift_destination_configuration=none,
            elasticsearch_destination_configuration=none,
            splunk_destination_configuration=none,
            http_endpoint_destination_configuration=none,
            snowflake_destination_configuration=none,
            iceberg_destination_configuration=none,
            tags=request.get("Tags") or [],
        )

    def delete_delivery_stream(self, delivery_stream_name: str) -> None:
        """Delete a delivery stream, once what is on its Kinesis stream has been delivered."""
        self._active(delivery_stream_name)
        super().delete_delivery_stream(delivery_stream_name)
        self.workers.pop(delivery_stream_name).stop()

    def reset(self) -> None:
        """Forget everything; workers that still run are stopped."""
        for worker in self.workers.values():
            worker.stop()
        super().reset()


class DeliveryResponse(FirehoseResponse):
    """moto's Firehose API; what local AWS does not do is refused by name."""

    @property
    def firehose_backend(self) -> DeliveryBackend:
        """The delivery streams of the request's account and region."""
        return _backend(self.current_account, self.region)

    def create_delivery_stream(self) -> ActionResult:
        """CreateDeliveryStream."""
        request = {name: value for name, value in self.params.items() if value is not None}
        return ActionResult({"DeliveryStreamARN": self.firehose_backend.create_from_request(request)})

    def put_record(self) -> NoReturn:
        """PutRecord: as on AWS, not for a delivery stream that reads a Kinesis stream."""
        raise InvalidArgumentException("This operation is not permitted on KinesisStreamAsSource delivery stream type.")

    def put_record_batch(self) -> NoReturn:
        """PutRecordBatch: as PutRecord."""
        self.put_record()

    def update_destination(self) -> ActionResult:
        """UpdateDestination."""
        request = {name: value for name, value in self.params.items() if value is not None}
        self.firehose_backend.update_from_request(request)
        return EmptyResult()

    def start_delivery_stream_encryption(self) -> NoReturn:
        """StartDeliveryStreamEncryption: not for a delivery stream that reads a Kinesis stream."""
        raise InvalidArgumentException("Local AWS does not support StartDeliveryStreamEncryption")

    def stop_delivery_stream_encryption(self) -> NoReturn:
        """StopDeliveryStreamEncryption: not for a delivery stream that reads a Kinesis stream."""
        raise InvalidArgumentException("Local AWS does not support StopDeliveryStreamEncryption")


def install() -> None:
    """Make moto use this Firehose; before moto's first use of it."""
    firehose_backends.backend = DeliveryBackend


def stop() -> None:
    """End all delivery streams, each once it has delivered what is on its Kinesis stream."""
    for worker in _workers():
        worker.stop()


def counts(delivery_stream: str, *, account_id: str, region: str) -> DeliveryCounts:
    """Return what a delivery stream has done so far.

    Raises:
        KeyError: There is no such delivery stream.
    """
    return _backend(account_id, region).workers[delivery_stream].counts


def wait_until_delivered(timeout_seconds: float) -> bool:
    """Wait until everything that is on the Kinesis streams now has been written to S3, by all delivery streams.

    Buffers keep their times: this waits for them, it does not hurry them.

    Args:
        timeout_seconds: Longest wait.

    Returns:
        Whether it has been written.
    """
    deadline = time.monotonic() + timeout_seconds
    targets = [(worker, worker.newest()) for worker in _workers()]
    return all(_is_true_before(deadline, _settled(worker, newest, deadline)) for worker, newest in targets)


def _backend(account_id: str, region: str) -> DeliveryBackend:
    backend = firehose_backends[account_id][region]
    if not isinstance(backend, DeliveryBackend):
        raise TypeError("moto's own Firehose is in use: call install() before the server starts")
    return backend


def _workers() -> list[DeliveryWorker]:
    backends = [backend for _account, _region, backend in firehose_backends.iter_backends()]
    return [worker for found in backends if isinstance(found, DeliveryBackend) for worker in found.workers.values()]


def _settled(worker: DeliveryWorker, newest: dict[str, int], deadline: float) -> Callable[[], bool]:
    if not _is_true_before(deadline, lambda: worker.has_read_up_to(newest)):
        return lambda: False
    read = worker.read_records
    return lambda: worker.has_settled_up_to(read)


def _is_true_before(deadline: float, condition: Callable[[], bool]) -> bool:
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True

"""Batches on their way through the Lambda function: a few at a time, with retries, answered in their order.

While the function works on one batch, the next is made ready and the last one's answer is read.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ddb_pipeline.local_aws.delivery import transformation
from ddb_pipeline.local_aws.delivery.errors import ErrorLog
from ddb_pipeline.local_aws.delivery.settings import Processor
from ddb_pipeline.local_aws.delivery.transformation import Failure, Outcome, SourceRecord
from ddb_pipeline.local_aws.functions import FunctionNotFoundError, invoke_function

OUTSTANDING = 2
"""Batches on their way at once. Firehose has up to five a shard; here one function is one process anyway."""

_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 2.0
_NO_FUNCTION = Failure(
    "Lambda.ResourceNotFound",
    "The specified Lambda function does not exist. Use a different function that does exist.",
)
_INVOCATION_FAILED = "Lambda.InvocationFailed"


@dataclass(frozen=True)
class Place:
    """Where a delivery stream is: what its events say, and where its function is looked for."""

    delivery_stream_arn: str
    source_arn: str
    account_id: str
    region: str


@dataclass(frozen=True)
class Converted:
    """What became of a batch.

    Attributes:
        batch: The records.
        outcomes: One for each record, in their order.
        attempts: Invocations made.
        failed_attempts: Those of them that failed as a whole.
        seconds: Time that the last invocation took.
        function_arn: The function.
    """

    batch: Sequence[SourceRecord]
    outcomes: Sequence[Outcome]
    attempts: int
    failed_attempts: int
    seconds: float
    function_arn: str


class Invocations:
    """The batches of one delivery stream that are on their way.

    Args:
        place: For the events.
        errors: Where failed invocations are told.
        notify: Called from another thread when a batch has its outcomes.
    """

    def __init__(self, place: Place, errors: ErrorLog, notify: Callable[[], None]) -> None:
        self._place = place
        self._errors = errors
        self._notify = notify
        self._hurry = threading.Event()
        self._threads = ThreadPoolExecutor(OUTSTANDING, thread_name_prefix="delivery invocation")
        self._outstanding: deque[tuple[Sequence[SourceRecord], Future[Converted]]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether another batch must wait."""
        return len(self._outstanding) >= OUTSTANDING

    @property
    def oldest_number(self) -> int | None:
        """Number of the first record on its way; None while none is."""
        return self._outstanding[0][0][0].number if self._outstanding else None

    @property
    def is_ready(self) -> bool:
        """Whether `take` has a batch to give without waiting."""
        return bool(self._outstanding) and self._outstanding[0][1].done()

    def send(self, batch: Sequence[SourceRecord], processor: Processor) -> None:
        """Send a batch to the function."""
        future = self._threads.submit(self._convert, batch, processor)
        self._outstanding.append((batch, future))
        future.add_done_callback(lambda _future: self._notify())

    def take(self) -> Converted:
        """Return the oldest batch with its outcomes; waits for them.

        An error that nobody foresaw fails the batch: its records go to the error prefix like any others.
        """
        batch, future = self._outstanding[0]
        try:
            converted = future.result()
        except Exception as error:  # noqa: BLE001 - whatever it is, the records must not be lost
            failure = Failure(_INVOCATION_FAILED, f"{type(error).__name__}: {error}")
            self._errors.write(failure.code, failure.message)
            converted = Converted(batch, transformation.failed(batch, failure), 1, 1, 0.0, "")
        self._outstanding.popleft()
        return converted

    def hurry(self) -> None:
        """Wait no more between attempts."""
        self._hurry.set()

    def end(self) -> None:
        """End the threads, once they have done what they were given."""
        self._threads.shutdown()

    def _convert(self, batch: Sequence[SourceRecord], processor: Processor) -> Converted:
        for attempts in itertools.count(1):
            started = time.monotonic()
            answer = self._invoke(batch, processor)
            seconds = time.monotonic() - started
            if isinstance(answer, bytes):
                outcomes, failed = transformation.outcomes(batch, answer), attempts - 1
                break
            self._errors.write(answer.code, answer.message, processor=processor.function_arn)
            if attempts > processor.retries:
                outcomes, failed = transformation.failed(batch, answer), attempts
                break
            self._hurry.wait(min(_FIRST_RETRY_SECONDS * 2 ** (attempts - 1), _LONGEST_RETRY_SECONDS))
        for failure in {one.failure for one in outcomes if one.failure is not None}:
            self._errors.write(failure.code, failure.message, processor=processor.function_arn)
        return Converted(batch, outcomes, attempts, failed, seconds, processor.function_arn)

    def _invoke(self, batch: Sequence[SourceRecord], processor: Processor) -> bytes | Failure:
        payload = transformation.event(
            batch,
            invocation_id=str(uuid.uuid4()),
            delivery_stream_arn=self._place.delivery_stream_arn,
            source_arn=self._place.source_arn,
            region=self._place.region,
        )
        try:
            invocation = invoke_function(
                processor.function_arn, payload, account_id=self._place.account_id, region=self._place.region
            )
        except FunctionNotFoundError:
            return _NO_FUNCTION
        except Exception as error:  # noqa: BLE001 - whatever it is, the invocation has failed
            return Failure(_INVOCATION_FAILED, f"{type(error).__name__}: {error}")
        return transformation.FUNCTION_ERROR if invocation.function_error else invocation.payload

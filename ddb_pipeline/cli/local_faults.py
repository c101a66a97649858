"""What `ddb-pipeline local up` is told to do wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddb_pipeline.cli.console import UserError

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.change_stream import StreamFaults
    from ddb_pipeline.local_aws.faults import Fault


def parsed_stream_faults(text: str) -> StreamFaults:
    """Return what `--stream-faults` says.

    Raises:
        UserError: It says nothing that exists.
    """
    from ddb_pipeline.local_aws.change_stream.faults import InvalidFaultsError, StreamFaults

    try:
        return StreamFaults.parse(text)
    except InvalidFaultsError as error:
        raise UserError(f"--stream-faults: {error}") from None


def parsed_faults(texts: tuple[str, ...]) -> list[Fault]:
    """Return what each `--fault` says.

    Raises:
        UserError: One says nothing that exists.
    """
    from ddb_pipeline.local_aws.faults import Fault, InvalidFaultError, check_exists

    try:
        faults = [Fault.parse(text) for text in texts]
        for fault in faults:
            check_exists(fault)
    except InvalidFaultError as error:
        raise UserError(f"--fault: {error}") from None
    return faults

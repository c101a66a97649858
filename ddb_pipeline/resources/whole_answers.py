"""Answers that arrived only in part are refused, and asked for again.

botocore does not hold a body to the length that its header promises, and takes JSON that ends too early for an answer
with nothing in it (botocore: `httpsession`, `enforce_content_length=False`; `parsers.BaseJSONParser`). So a
connection that breaks in the middle of a page would read as an empty page: partitions, crawls and rows that are there
would be missing, without an error. Of half a refusal the code is lost: "it runs already" would read as some error.
"""

from __future__ import annotations

from typing import Any

from ddb_pipeline.errors import CUT_SHORT

_REPEATED_STATUS = 500


def refuse_cut_answers(client: Any) -> None:
    """Let a boto3 client treat an answer that ends too early as a fault of the service, which it repeats.

    Args:
        client: The client. Bodies that are read in pieces are left to boto3, which checks them itself.
    """
    # handlers of a service's events come before those of all services, so also before the one that repeats requests
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"before-parse.{service}", _refuse, unique_id="refuse-cut-answers")
    client.meta.events.register_first(f"needs-retry.{service}", _take_for_a_fault, unique_id="repeat-cut-answers")


def _refuse(
    operation_model: Any, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    body, promised = response_dict["body"], response_dict["headers"].get("content-length", "")
    is_whole = not isinstance(body, bytes) or not promised.isdecimal() or len(body) >= int(promised)
    if is_whole or operation_model.http.get("method") == "HEAD":
        return
    response_dict["status_code"], response_dict["body"] = _REPEATED_STATUS, b""
    customized_response_dict["Error"] = {
        "Code": CUT_SHORT,
        "Message": f"the connection ended after {len(body)} of {promised} bytes of the answer",
    }


def _take_for_a_fault(response: Any, **_: Any) -> None:
    """Botocore decides by the status that came over the wire whether to repeat a request, and whether to raise."""
    if response is None:
        return
    received, parsed = response
    if parsed.get("Error", {}).get("Code") == CUT_SHORT:
        received.status_code = _REPEATED_STATUS

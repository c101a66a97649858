"""Requests to DynamoDB that cost their sender little, since sender and server share the machine's cores.

They are not signed: signing alone would take more time than the server does, and local AWS checks no signatures.
"""

from __future__ import annotations

from typing import BinaryIO
from urllib.parse import urlsplit

from ddb_pipeline.cli import local_stack


def request(endpoint: str, operation: str, body: bytes) -> bytes:
    """A request, from its first line to its last byte."""
    # local AWS reads service and region from the scope
    scope = f"local/20260101/{local_stack.REGION}/dynamodb/aws4_request"
    lines = (
        "POST / HTTP/1.1",
        f"Host: {urlsplit(endpoint).netloc}",
        f"Content-Length: {len(body)}",
        "Content-Type: application/x-amz-json-1.0",
        f"X-Amz-Target: DynamoDB_20120810.{operation}",
        f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(answers: BinaryIO) -> tuple[int, bytes]:
    """Status and body of the next answer on a connection."""
    status, length = int(answers.readline().split()[1]), 0
    while (line := answers.readline()) not in {b"\r\n", b""}:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, answers.read(length)

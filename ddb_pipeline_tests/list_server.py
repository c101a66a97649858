"""A server that holds names of objects alone, and lists them as S3 does.

A million objects do not fit into moto within reason: it keeps an object with its body for each. Here an object is its
key, so a listing can be held against another one at any size. Answered are ListObjectsV2 (prefix, delimiter,
start-after, max-keys, continuation) and PutObject, whose body is passed over; a test holds both to moto's answers.
"""

from __future__ import annotations

import bisect
import multiprocessing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_MOST = 1000
_LAST = chr(0x10FFFF)


class Names:
    """Sorted keys of one bucket, and when each was written."""

    def __init__(self, keys: Iterable[str] = (), written: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._keys = sorted(keys)
        self._written: dict[str, datetime] = {}
        self._before = written

    def put(self, key: str) -> None:
        """Add a key, written now."""
        place = bisect.bisect_left(self._keys, key)
        if place == len(self._keys) or self._keys[place] != key:
            self._keys.insert(place, key)
        self._written[key] = datetime.now(UTC)

    def written(self, key: str) -> datetime:
        """When a key was written."""
        return self._written.get(key, self._before)

    def listed(self, prefix: str, delimiter: str, after: str, most: int) -> tuple[list[str], list[str], str]:
        """Return keys and common prefixes, and after which name the list goes on; empty: that was all."""
        keys: list[str] = []
        groups: list[str] = []
        place = bisect.bisect_right(self._keys, after) if after >= prefix else bisect.bisect_left(self._keys, prefix)
        last = ""
        while place < len(self._keys) and self._keys[place].startswith(prefix):
            if len(keys) + len(groups) == most:
                return keys, groups, last
            key = self._keys[place]
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                keys.append(key)
                last, place = key, place + 1
            else:
                # each group counts as one, and is passed over as a whole
                group = key[: end + len(delimiter)]
                groups.append(group)
                last = group + _LAST
                place = bisect.bisect_right(self._keys, last)
        return keys, groups, ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    names: ClassVar[Names]

    def do_GET(self) -> None:
        asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}
        most = min(int(asked.get("max-keys", _MOST)), _MOST)
        after = asked.get("continuation-token") or asked.get("start-after", "")
        keys, groups, last = self.names.listed(asked.get("prefix", ""), asked.get("delimiter", ""), after, most)
        objects = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>1000</Size><ETag>&quot;0&quot;</ETag>"
            f"<LastModified>{self.names.written(key):%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in keys
        )
        folders = "".join(f"<CommonPrefixes><Prefix>{escape(group)}</Prefix></CommonPrefixes>" for group in groups)
        rest = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if last else ""
        self._answer(
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>bucket</Name><KeyCount>{len(keys) + len(groups)}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{'true' if last else 'false'}</IsTruncated>{objects}{folders}{rest}</ListBucketResult>"
        )

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.names.put(unquote(urlsplit(self.path).path).split("/", 2)[2])
        self._answer("")

    def _answer(self, body: str) -> None:
        encoded = body.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Requests are not logged."""


def _serve(keys: Iterable[str], ready: Any) -> None:
    handler = type("Handler", (_Handler,), {"names": Names(keys)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    ready.send(server.server_port)
    server.serve_forever()


@contextmanager
def list_server(keys: Iterable[str]) -> Iterator[str]:
    """Serve keys of a bucket of any name, from a process of its own.

    Args:
        keys: The keys; something that a process can be handed, such as an object that makes them when iterated.

    Yields:
        The endpoint.
    """
    context = multiprocessing.get_context("spawn")
    parent, child = context.Pipe()
    process = context.Process(target=_serve, args=(keys, child), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{parent.recv()}"
    finally:
        process.terminate()
        process.join()

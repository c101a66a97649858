"""Connections that stay open for the next request, as AWS's do.

werkzeug's server closes each connection after one answer and waits for more of the request before it does; here the
body of a request is read to its end before anybody sees it, so the next request begins where it is looked for.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

_NO_BODY = {204, 304}


class Connection(MotoRequestHandler):
    """Handles the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    # headers and body leave together
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        """Ask for the body that the client holds back, at once."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        if "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower():
            # there may be trailers behind the body, which nobody reads
            self.close_connection = True
            body = environ["wsgi.input"].read()
            environ["CONTENT_LENGTH"] = str(len(body))
        else:
            length = str(environ.get("CONTENT_LENGTH") or "0")
            if not length.isdecimal():
                self.close_connection = True
                self.send_error(400)
                return
            body = self.rfile.read(int(length))
        environ["wsgi.input"] = io.BytesIO(body)
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
            started.append((status, headers))
            return self.wfile.write

        pieces = self.server.app(environ, start_response)
        try:
            self._send(*started[-1], pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _send(self, status: str, headers: list[tuple[str, str]], pieces: Iterable[bytes]) -> None:
        code, _, message = status.partition(" ")
        names = {name.lower() for name, _ in headers}
        has_body = self.command != "HEAD" and int(code) not in _NO_BODY
        if has_body and "content-length" not in names:
            pieces = [b"".join(pieces)]
            headers = [*headers, ("Content-Length", str(len(pieces[0])))]
        self.send_response(int(code), message)
        for name, value in headers:
            if name.lower() != "connection":
                self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        for piece in pieces if has_body else ():
            self.wfile.write(piece)
        self.wfile.flush()

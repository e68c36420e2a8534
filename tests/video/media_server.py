"""A web server on 127.0.0.1 that can be told to misbehave."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server holds, how it misbehaves, and what it was asked.

    Attributes:
        files: path -> (content type, bytes).
        break_after: bytes of a body after which the connection is cut, one entry per request, then never.
        statuses: answers to give instead of a file, one per request, then none.
        asked: (path, Range header) of every GET.
        etag: version mark, "" for none.
    """

    files: dict[str, tuple[str, bytes]]
    break_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    etag: str = '"v1"'
    url: str = ""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site while the block runs; ``site.url`` is its address."""
    handler = type("Handler", (_Handler,), {"site": site})
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that hung up, which is what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_HEAD(self) -> None:
        self._answer(head=True)

    def do_GET(self) -> None:
        self.site.asked.append((self.path, self.headers.get("Range")))
        self._answer(head=False)

    def _answer(self, *, head: bool) -> None:
        status = self.site.statuses.pop(0) if self.site.statuses and not head else None
        kind, data = self.site.files.get(self.path.partition("?")[0], ("", b""))
        if status or not kind:
            self.send_error(status or 404)
            return
        begin = self._range()
        if begin and begin >= len(data):
            self._refuse_range(len(data))
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if self.site.etag:
            self.send_header("ETag", self.site.etag)
        self.send_header("Content-Type", kind)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        if not head:
            self._body(data[begin:])

    def _refuse_range(self, length: int) -> None:
        """What RFC 9110 (15.5.17) asks of a server whose file ends before the range begins."""
        self.send_response(416)
        self.send_header("Content-Range", f"bytes */{length}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _range(self) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range") or "")
        same = self.headers.get("If-Range", self.site.etag) == self.site.etag
        return int(asked[1]) if asked and same else 0

    def _body(self, data: bytes) -> None:
        if not self.site.break_after:
            self.wfile.write(data)
            return
        self.wfile.write(data[: self.site.break_after.pop(0)])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

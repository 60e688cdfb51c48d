"""A web server for a folder of updates, with the byte ranges that RAUC's streaming wants; counts what it sends."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Ranges:
    """Answers 404 until a folder is offered."""

    def __init__(self, port):
        self.folder, self.sent = None, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answer(self)

            def do_HEAD(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def offer(self, folder):
        self.folder = folder

    def answer(self, request):
        file = self.folder and self.folder / request.path.rsplit("/", 1)[-1]
        if file is None or not file.is_file():
            request.send_response(404)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        size = file.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]) if asked and asked[2] else size - 1, size - 1)
        request.send_response(206 if asked else 200)
        request.send_header("Content-Length", str(last - first + 1))
        request.send_header("Accept-Ranges", "bytes")
        if asked:
            request.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        request.end_headers()
        if request.command == "HEAD":
            return
        with file.open("rb") as content:
            content.seek(first)
            left = last - first + 1
            while left:
                piece = content.read(min(left, 1 << 18))
                request.wfile.write(piece)
                self.sent += len(piece)
                left -= len(piece)

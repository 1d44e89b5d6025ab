"""A server on this machine, for downloads that are whole, cut short, or of another file."""

import hashlib
from http.server import BaseHTTPRequestHandler, HTTPServer


class Mirror(HTTPServer):
    """Serves `files` by name; a name in `cut` ends after so many bytes though more were promised."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Answer(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        name = self.path.strip("/")
        if self.command == "GET":
            self.server.asked.append(name)
        if name not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: self.server.cut.get(name)])

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        pass


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()

"""What several files of this room use."""

import threading
from collections.abc import Iterator

import pytest

from .servers import Mirror


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A server on this machine; `files` is what it has."""
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()

"""A Hub on loopback with real benchmarks and one real tiny model, where the shared folder with them is at hand."""
from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

HUB = Path(__file__).resolve().parent.parent.parent / "shared" / "hub"
MODEL = "tinyllamas/stories260K"


@pytest.fixture(scope="session")
def hub() -> Iterator[Path]:
    """Serves the Hub at HF_ENDPOINT; gives the folder it serves."""
    if not (HUB / "serve.py").is_file():
        pytest.skip(f"no benchmark data at {HUB}")
    address = os.environ["HF_ENDPOINT"]
    server = subprocess.Popen([sys.executable, str(HUB / "serve.py"), "--port", address.rsplit(":", 1)[1]],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"{address}/health", server)
        yield HUB
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(address):
                return
        except urllib.error.URLError:
            time.sleep(0.05)
    raise RuntimeError(f"the loopback Hub ended with status {server.returncode}")

"""No test reaches beyond loopback: the Hub's address is a free port here, its cache a folder of this session.

Both are set before anything imports huggingface_hub, which reads them once. `tests.hub` serves that port for the tests that
need a Hub; for all others nobody answers there.
"""
from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile

import pytest

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{free.getsockname()[1]}"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="hub-cache-")
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ.pop("HF_HUB_OFFLINE", None)
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)

pytest_plugins = ["tests.hub"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole-matrix", action="store_true",
                     help="run every recipe of the full product for three steps: a quarter of an hour")

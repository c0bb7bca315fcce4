"""Where the gateway is, and a key for it; `run.py` says so."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def url() -> str:
    return os.environ["GATEWAY_URL"]


@pytest.fixture(scope="session")
def key() -> str:
    return os.environ["GATEWAY_KEY"]

"""Log lines of a gateway that runs as a process."""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from gateway.logs import configuration, request_id
from tests.conftest import ADMIN_KEY
from tests.processes import serve


async def test_each_line_of_a_process_is_json_where_that_is_wanted(tmp_path: Path) -> None:
    async with (
        serve(tmp_path, "--log-format", "json", GATEWAY_ADMIN_KEY=ADMIN_KEY) as server,
        httpx.AsyncClient(verify=False) as http,
    ):
        headers = {"authorization": f"Bearer {ADMIN_KEY}", "x-request-id": "mine"}
        await http.get(f"{server.url}/v1/models/odd%0Aname?secret=1", headers=headers)
        await server.stop()
    lines = [json.loads(line) for line in server.log]
    [access] = [line for line in lines if line.get("request_id") == "mine"]
    assert datetime.fromisoformat(access.pop("timestamp")).tzinfo is not None
    duration = access.pop("duration_ms")
    assert duration > 0
    assert access == {
        "level": "info",
        "logger": "gateway.access",
        "message": f"GET /v1/models/odd\\nname 404 {duration}ms mine",
        "method": "GET",
        "path": "/v1/models/odd\\nname",
        "status": 404,
        "request_id": "mine",
    }
    assert {line["level"] for line in lines} == {"info"}
    told = {"timestamp", "level", "logger", "message", "request_id"}
    assert all(line.keys() <= told for line in lines if line["logger"] != "gateway.access")
    assert any("Uvicorn running" in line["message"] for line in lines)


@pytest.fixture
def _logging() -> Iterator[None]:
    """Leaves it to others as it was."""
    handlers = logging.root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in (None, "gateway", "uvicorn")}
    yield
    logging.root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("_logging")
def test_an_exception_is_a_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(configuration("info", "json"))
    token = request_id.set("abc")
    try:
        try:
            raise ValueError("what was wrong\nin two lines")
        except ValueError:
            logging.getLogger("gateway.some").exception("It failed: %s", "so")
    finally:
        request_id.reset(token)
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"]) == ("error", "It failed: so")
    assert (line["logger"], line["request_id"]) == ("gateway.some", "abc")
    [told] = line["exception"]
    assert (told["exc_type"], told["exc_value"]) == ("ValueError", "what was wrong\nin two lines")
    # Values of variables may be secrets.
    assert not any(frame.get("locals") for frame in told["frames"])

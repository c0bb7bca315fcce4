"""What the upstream answers: one chat completion, whole or in chunks, always the same; and nginx,
which does so as fast as anything can.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.processes import free_port, running, until_open

MODEL = "gpt-4o"
DONE = b"data: [DONE]\n\n"
WORDS = [f"word{number:02} " for number in range(64)]
TEXT = "".join(WORDS)
_USAGE = {"prompt_tokens": 11, "completion_tokens": 64, "total_tokens": 75}
_NGINX = """
daemon off;
# A process of its own user's rights; one core of it is many times what any gateway asks for.
master_process off;
error_log stderr error;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .;
    uwsgi_temp_path .; scgi_temp_path .;
    open_file_cache max=10 inactive=1h;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root .;
        location /plain/ {{ default_type application/json; return 200 '{whole}'; }}
        # A file is for GET alone, unless it is the page of the error that says so.
        location /streamed/ {{ error_page 405 =200 /streamed.sse; return 405; }}
        location = /streamed.sse {{
            internal;
            types {{ }}
            default_type text/event-stream;
            error_page 405 =200 $uri;
        }}
    }}
}}
"""


def whole() -> dict[str, Any]:
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _head("chat.completion") | {"choices": [choice], "usage": _USAGE}


def chunks(words: Sequence[str]) -> Iterator[bytes]:
    """Server-sent events: one a word, the end's reason, the usage; without the `[DONE]`."""
    for number, word in enumerate(words):
        role = {} if number else {"role": "assistant"}
        yield chunk({**role, "content": word})
    yield chunk({}, "stop")
    last = _head("chat.completion.chunk") | {"choices": [], "usage": _USAGE}
    yield b"data: " + json.dumps(last, separators=(",", ":")).encode() + b"\n\n"


def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    """A server-sent event."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    event = _head("chat.completion.chunk") | {"choices": [choice]}
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1700000000, "model": MODEL}


@contextlib.contextmanager
def nginx(directory: Path) -> Iterator[str]:
    """Serve, with all that is written in this directory; its URL, below which are `/plain` and
    `/streamed`.
    """
    port = free_port()
    (directory / "streamed.sse").write_bytes(b"".join(chunks(WORDS)) + DONE)
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(port=port, whole=json.dumps(whole())))
    command = [nginx_path(), "-p", str(directory), "-c", str(config), "-e", "stderr"]
    with running(command) as process:
        until_open(process, port)
        yield f"http://127.0.0.1:{port}"


def nginx_path() -> str:
    """Debian has it where only root looks.

    Raises:
        FileNotFoundError: It is not installed.
    """
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        raise FileNotFoundError("nginx is not installed; in Debian: apt-get install nginx-light")
    return found

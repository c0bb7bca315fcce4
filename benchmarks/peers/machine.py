"""What was measured, and on what."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from benchmarks.peers.canned import nginx_path
from benchmarks.peers.servers import ROOT
from benchmarks.peers.wrk import wrk_path

_NUMBER = re.compile(r"\d+\.\d+(?:\.\d+)*")
_OURS = ("starlette", "uvicorn", "uvloop", "httptools", "aiohttp", "litellm", "openai")


def described() -> dict[str, str]:
    """By what is shown of it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}",
        "load average at the start": f"{os.getloadavg()[0]:.2f}",
    }


def versions(peers: Path) -> dict[str, str]:
    """Of all that takes part."""
    here = {name: Distribution.from_name(name).version for name in _OURS}
    portkey = peers / "portkey/node_modules/@portkey-ai/gateway/package.json"
    return {
        "Python": platform.python_version(),
        **here,
        "LiteLLM's proxy": _installed(peers / "litellm_proxy", "litellm"),
        "Portkey's gateway": json.loads(portkey.read_text())["version"],
        "Ferro": _installed(peers / "ferro", "ferrogw"),
        "any-llm-gateway": _installed(peers / "any_llm", "any-llm-sdk"),
        "Node": _said(["node", "--version"]),
        "nginx": _said([nginx_path(), "-v"]),
        "wrk": _said([wrk_path(), "-v"]),
    }


def _installed(environment: Path, package: str) -> str:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = distributions(name=package, path=[str(environment / "lib" / version / "site-packages")])
    return next(iter(found)).version


def _said(command: Sequence[str]) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20)
    found = _NUMBER.search(ran.stdout + ran.stderr)
    return found[0] if found else "?"


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _commit() -> str:
    ran = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return ran.stdout.strip() or "?"

"""What docs/deploy ships names what there is, and is what its readers take.

`tests/test_rolling_restart.py` runs nginx with its configuration.
"""

from __future__ import annotations

import inspect
import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from gateway import settings as process_settings
from gateway.commands import app
from gateway.commands.serve import IDLE_SECONDS, serve
from gateway.http.litellm import health
from gateway.records import Operation
from tests.processes import ROOT

DEPLOY = ROOT / "docs" / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
UNIT = (DEPLOY / "gateway@.service").read_text()
NGINX = (DEPLOY / "nginx.conf").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES = {
    name: list(yaml.safe_load_all((DEPLOY / "kubernetes" / f"{name}.yaml").read_text()))
    for name in ("gateway", "nodes")
}
SHUTDOWN_SECONDS = inspect.signature(serve).parameters["shutdown_timeout"].default


def manifest(kind: str, of: str = "gateway") -> Any:
    """The first of this kind."""
    return next(each for each in KUBERNETES[of] if each["kind"] == kind)


PODS = {
    "gateway": manifest("Deployment")["spec"]["template"]["spec"],
    "nodes": manifest("StatefulSet", "nodes")["spec"]["template"]["spec"],
}
CONTAINERS = {name: pod["containers"][0] for name, pod in PODS.items()}
SERVICES = COMPOSE["services"]


def instructions(name: str) -> list[str]:
    """The arguments of each such instruction of the Containerfile."""
    joined = CONTAINERFILE.replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.startswith(name)]


def directive(name: str) -> str:
    """The value of one of the unit's directives."""
    [value] = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return str(value)


def program(name: str) -> str:
    """Where it is; skips where it is not."""
    beside = shutil.which(name, path=Path(sys.executable).parent)
    found = beside or shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def passes(*command: str | Path) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def files() -> list[Path]:
    return [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_variables_are_those_that_are_read(path: Path) -> None:
    known = set(re.findall(r'"(GATEWAY_[A-Z_]+)"', inspect.getsource(process_settings)))
    assert len(known) >= 7
    assert set(re.findall(r"GATEWAY_[A-Z_]+", path.read_text())) <= known


@pytest.mark.parametrize(
    "command",
    [
        json.loads(instructions("ENTRYPOINT")[0]) + json.loads(instructions("CMD")[0]),
        ["gateway", *SERVICES["gateway"]["command"]],
        *(["gateway", *container["args"]] for container in CONTAINERS.values()),
        shlex.split(directive("ExecStart").replace("/opt/gateway/bin/", "").replace("%i", "4001")),
    ],
    ids=["Containerfile", "compose", "kubernetes", "nodes", "systemd"],
)
def test_commands_are_taken(command: list[str]) -> None:
    assert command[:2] == ["gateway", "serve"]
    group: Any = typer.main.get_command(app)
    parsed = group.commands["serve"].make_context("serve", command[2:])
    assert parsed.params["port"] in (4000, 4001)
    assert parsed.params["host"] == ("127.0.0.1" if command[-1] == "4001" else "0.0.0.0")


def test_what_is_copied_into_the_image_is_there() -> None:
    ours = [line.split()[:-1] for line in instructions("COPY") if not line.startswith("--from")]
    sources = [source for each in ours for source in each]
    assert "gateway" in sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_image_has_what_the_lock_names_and_all_extras() -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", path.read_text(), re.MULTILINE))

    image, locked = pins(DEPLOY / "requirements.lock"), pins(ROOT / "requirements.lock")
    assert locked.items() <= image.items()
    assert {"asyncpg", "redis", "opentelemetry-sdk", "build", "hatchling"} <= image.keys()
    assert all("--require-hashes" in run or "--no-index" in run for run in instructions("RUN")[:2])


def test_the_image_is_linted() -> None:
    passes(program("hadolint"), DEPLOY / "Containerfile")


def test_nothing_runs_as_root_or_writes_where_it_need_not() -> None:
    assert instructions("USER") == ["10001:10001"]
    for name, pod in PODS.items():
        of_pod = pod["securityContext"]
        assert of_pod["runAsNonRoot"]
        assert of_pod["runAsUser"] == of_pod["fsGroup"] == 10001
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert CONTAINERS[name]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not pod["automountServiceAccountToken"]
    assert len(SERVICES) == 2
    for service in SERVICES.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_no_secret_is_written_down() -> None:
    for container in CONTAINERS.values():
        for each in container["env"]:
            plain = each["name"] in ("GATEWAY_DATA_DIR", "GATEWAY_DATABASE_URL")
            assert "valueFrom" in each or plain, each["name"]
            assert not each.get("value", "").startswith("postgresql")
    for name, value in SERVICES["gateway"]["environment"].items():
        assert not name.endswith("_KEY") or value.startswith("${"), name


def test_the_data_is_on_what_stays() -> None:
    assert "GATEWAY_DATABASE_URL=sqlite:////data/gateway.db" in instructions("ENV")[0]
    assert SERVICES["gateway"]["volumes"] == ["data:/data"]
    assert "data" in COMPOSE["volumes"]
    for container in CONTAINERS.values():
        assert {"name": "data", "mountPath": "/data"} in container["volumeMounts"]
    [of_node] = manifest("StatefulSet", "nodes")["spec"]["volumeClaimTemplates"]
    assert of_node["metadata"]["name"] == "data"
    assert {"name": "GATEWAY_DATA_DIR", "value": "/data"} in CONTAINERS["nodes"]["env"]
    [volume] = [each for each in PODS["gateway"]["volumes"] if each["name"] == "data"]
    claim = manifest("PersistentVolumeClaim")["metadata"]["name"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim
    assert "=sqlite:////var/lib/gateway/" in UNIT
    assert directive("StateDirectory") == "gateway"


def test_one_file_has_one_host() -> None:
    """Two pods would be on two hosts, and SQLite's locks do not hold there."""
    deployment = manifest("Deployment")["spec"]
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}
    assert manifest("PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_nodes_are_replaced_one_by_one_and_share_what_they_count() -> None:
    nodes = manifest("StatefulSet", "nodes")["spec"]
    assert nodes["replicas"] > 1
    assert nodes["updateStrategy"] == {"type": "RollingUpdate"}
    assert manifest("PodDisruptionBudget", "nodes")["spec"]["maxUnavailable"] == 1
    names = {each["name"] for each in CONTAINERS["nodes"]["env"]}
    assert {"GATEWAY_DATABASE_URL", "GATEWAY_REDIS_URL", "GATEWAY_SECRET_KEY"} <= names
    assert manifest("Service", "nodes")["metadata"]["name"] == nodes["serviceName"]


def test_probes_ask_for_what_is_served() -> None:
    served = {route.path for route in health.ROUTES}
    for container in CONTAINERS.values():
        of_it = container.items()
        probes = {name: each["httpGet"] for name, each in of_it if name.endswith("Probe")}
        assert probes.keys() == {"startupProbe", "readinessProbe", "livenessProbe"}
        named = {port["name"] for port in container["ports"]}
        for probe in probes.values():
            assert probe["path"] in served
            assert probe["port"] in named
    [asked] = re.findall(r"127\.0\.0\.1:4000(/[a-z/]+)", instructions("HEALTHCHECK")[0])
    assert asked in served
    for of, kind in (("gateway", "Deployment"), ("nodes", "StatefulSet")):
        labels = manifest(kind, of)["spec"]["template"]["metadata"]["labels"]
        for each in KUBERNETES[of]:
            if each["kind"] == "Service":
                assert each["spec"]["selector"].items() <= labels.items()


def test_running_streams_may_finish_before_anything_kills() -> None:
    for name, pod in PODS.items():
        before = CONTAINERS[name]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] >= before + SHUTDOWN_SECONDS + 10
    assert int(directive("TimeoutStopSec")) >= SHUTDOWN_SECONDS + 10
    assert SERVICES["gateway"]["stop_grace_period"] == f"{SHUTDOWN_SECONDS + 10}s"


@pytest.mark.parametrize("version", ["1.32", "1.37"])
def test_manifests_are_what_kubernetes_takes(version: str) -> None:
    """Unknown fields are refused too."""
    validate: Any = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    for each in itertools.chain(*KUBERNETES.values()):
        validate.validate(each, version, strict=True)
    with pytest.raises(validate.ValidationError):
        validate.validate(manifest("Service") | {"unknown": 1}, version, strict=True)


def test_systemd_takes_the_unit_and_holds_it_safe(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    unit = tmp_path / "gateway@.service"
    unit.write_text(UNIT.replace("/opt/gateway/bin/gateway", "/bin/true"))
    passes(analyze, "verify", "--man=no", unit)
    # Of 100, where a service without any hardening has 96.
    passes(analyze, "security", "--offline=true", "--threshold=20", unit)


CALLS, MODELS, PROBES = re.findall(r"location ~ (\S+) \{", NGINX)


@pytest.mark.parametrize("operation", Operation)
def test_nginx_lets_calls_pass(operation: Operation) -> None:
    for prefix in ("", "/v1", "/api/v1/gateway"):
        assert re.match(CALLS, prefix + operation)


@pytest.mark.parametrize(
    "path",
    ["/v1/keys", "/key/generate", "/ui", "/metrics", "/v1/models/chat/completions", "/health"],
)
def test_nginx_lets_nothing_else_pass(path: str) -> None:
    assert not re.match(CALLS, path)
    assert not re.match(PROBES, path)
    [rest] = re.findall(r"location / \{(.*?)\}", NGINX, re.DOTALL)
    assert re.findall(r"(?:allow|deny) \S+;", rest) == ["allow 127.0.0.1;", "deny all;"]


def test_nginx_keeps_to_the_gateways_limits() -> None:
    def value(name: str) -> str:
        [found] = re.findall(rf"^\s*{name} (\S+);$", NGINX, re.MULTILINE)
        return str(found)

    most = process_settings.DEFAULT_MAX_BODY_BYTES
    assert value("client_max_body_size") == f"{most // 2**20}m"
    assert int(value("keepalive_timeout").removesuffix("s")) < IDLE_SECONDS
    assert value("proxy_buffering") == "off"
    # Where an answer has been waited for longer, a timeout does not repeat the call.
    again = int(value("proxy_next_upstream_timeout").removesuffix("s"))
    assert again < int(value("proxy_read_timeout").removesuffix("s"))

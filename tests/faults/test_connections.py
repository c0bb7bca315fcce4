"""Connections that do not come about: refused, to no host, or without a TLS that can be trusted."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.faults import scripts as does
from tests.faults.conftest import frames
from tests.faulty import Faulty
from tests.fleet import Fleet, says, streams
from tests.servers import FakeProvider, chunks
from tests.upstream.conftest import events

FAULTS = ("refused", "no such host", "TLS to a plain port", "self-signed")


@pytest.fixture(scope="module")
async def self_signed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a provider that vouches for itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path_factory.mktemp("tls")))
    faulty = Faulty(does.answers(200, does.HELLO))
    async with faulty.serving(context):
        yield faulty.url
        # Nobody has talked to it.
        assert all(wire.request == {} for wire in faulty.wires)


@pytest.fixture(scope="module")
async def urls(_fleet: Fleet, _provider: FakeProvider, self_signed: str) -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    found = {
        "refused": f"http://127.0.0.1:{closed}",
        # Reserved for this: https://www.rfc-editor.org/rfc/rfc6761#section-6.4
        "no such host": "http://nope.invalid",
        "TLS to a plain port": _provider.url.replace("http:", "https:"),
        "self-signed": self_signed,
    }
    assert found.keys() == set(FAULTS)
    for name, url in found.items():
        for group in (name, f"{name} and b"):
            await _fleet.register(group, "a", {"base_url": f"{url}/v1"}, order=1)
        await _fleet.register(f"{name} and b", "b", order=2)
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FAULTS)
async def test_no_connection(fleet: Fleet, urls: dict[str, str], name: str, stream: bool) -> None:
    response = await fleet.chat(name, stream=stream)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["code"]) == (500, "api_error", "500")
    assert error["message"].endswith("Error: The provider could not be reached")
    assert response.headers["x-litellm-attempted-retries"] == "1"
    host = urls[name].partition("://")[2].partition(":")[0]
    for hidden in (host, "certificate", "ssl", "SSL"):
        assert hidden not in response.text
    row = await fleet.row()
    assert (row.outcome, row.status, row.error, row.retries) == ("failed", 500, "api_error", 1)
    assert (row.prompt_tokens, row.completion_tokens, row.cost) == (0, 0, 0)


@pytest.mark.usefixtures("urls")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FAULTS)
async def test_no_connection_with_another_deployment(fleet: Fleet, name: str, stream: bool) -> None:
    fleet.does("b", streams(*frames(*chunks("from b"))) if stream else says("b"))
    response = await fleet.chat(f"{name} and b", stream=stream)
    assert response.status_code == 200
    if stream:
        seen = events(response)
        assert (seen.text, seen.done) == ("from b", True)
    row = await fleet.row()
    assert (row.outcome, row.retries, row.completion_tokens) == ("complete", 1, 6)
    assert fleet.deployment(row.deployment_id) == "b"


def certificate(path: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, as a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = path / "provider.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return pem

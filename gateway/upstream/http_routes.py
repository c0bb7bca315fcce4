"""Where requests go over HTTP, by way of a proxy or not, and the heads that they begin with."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
# What ends a header, or which no server reads in one way.
_NOT_IN_VALUES = re.compile(r"[\x00\r\n]")


@dataclass(frozen=True, slots=True)
class Proxy:
    """Attributes:
    host: As it is looked up.
    secure: Whether one talks TLS with it.
    credentials: The value of `proxy-authorization`, if any.
    """

    host: str
    port: int
    secure: bool
    credentials: str | None

    @classmethod
    def of(cls, url: str) -> Proxy:
        """Raises ValueError."""
        parts = _parsed(url if "://" in url else f"http://{url}")
        given = parts.userinfo and b64encode(":".join((parts.username, parts.password)).encode())
        credentials = f"Basic {given.decode()}" if given else None
        return cls(_host(parts), _port(parts), parts.scheme == "https", credentials)


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a server.

    Attributes:
        name: The same for all requests that can share a connection.
        host: As it is looked up, and as its certificate has it.
        secure: Whether one talks TLS with it.
        authority: The host as requests name it, with the port where that is not the usual one.
    """

    name: str
    host: str
    port: int
    secure: bool
    authority: str
    proxy: Proxy | None

    @classmethod
    def of(cls, url: str, proxy: str | None = None) -> Route:
        """The way to this URL's server. Raises ValueError."""
        parts = _parsed(url)
        host, port = _host(parts), _port(parts)
        name = f"{parts.scheme}://{host}:{port} by {proxy or 'no proxy'}"
        by = Proxy.of(proxy) if proxy else None
        return cls(name, host, port, parts.scheme == "https", parts.netloc.decode("ascii"), by)

    def head(self, url: str, headers: Mapping[str, str]) -> bytes:
        """How a POST to this URL of the server's begins, up to the length of its body.

        Raises ValueError where this is no URL, or a header is none.
        """
        path = _parsed(url).raw_path.decode("ascii")
        told = {"host": self.authority, **headers}
        if self.proxy is not None and not self.secure:
            path = f"http://{self.authority}{path}"
            if self.proxy.credentials:
                told["proxy-authorization"] = self.proxy.credentials
        lines = [f"POST {path} HTTP/1.1", *written(told), "content-length: "]
        return "\r\n".join(lines).encode()


def written(headers: Mapping[str, str]) -> list[str]:
    """The lines of a head. Raises ValueError where it would have others than these."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or _NOT_IN_VALUES.search(value):
            # Without the value, which may be a secret.
            raise ValueError(f"{name!r} is no header, or has a value that no header can have")
    return [f"{name}: {value}" for name, value in headers.items()]


def _parsed(url: str) -> httpx.URL:
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        parts = httpx.URL()
    if parts.scheme not in _PORTS or not parts.host:
        # Without the URL, which may hold a password.
        raise ValueError("an address of the provider or a proxy is no URL of HTTP's")
    return parts


def _host(parts: httpx.URL) -> str:
    return parts.raw_host.decode("ascii")


def _port(parts: httpx.URL) -> int:
    return parts.port or _PORTS[parts.scheme]

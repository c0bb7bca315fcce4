"""Heads of requests: where they go, and what may stand in them."""

from __future__ import annotations

import pytest

from gateway.upstream.http_routes import Proxy, Route

URL = "https://a.example/v1/chat/completions"


def head(url: str, proxy: str | None = None, **headers: str) -> list[str]:
    written = Route.of(url, proxy).head(url, headers)
    assert written.endswith(b"\r\ncontent-length: ")
    return written.decode().split("\r\n")[:-1]


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "path"),
    [
        (URL, "a.example", 443, "a.example", "/v1/chat/completions"),
        ("http://a.example", "a.example", 80, "a.example", "/"),
        ("http://A.example:8000/v1", "a.example", 8000, "a.example:8000", "/v1"),
        ("https://a.example:443/v1", "a.example", 443, "a.example", "/v1"),
        ("http://[::1]:8000/v1", "::1", 8000, "[::1]:8000", "/v1"),
        (
            "http://bücher.example/ü",
            "xn--bcher-kva.example",
            80,
            "xn--bcher-kva.example",
            "/%C3%BC",
        ),
        ("http://a.example/v1?x=a b", "a.example", 80, "a.example", "/v1?x=a%20b"),
    ],
)
def test_where_a_request_goes(url: str, host: str, port: int, authority: str, path: str) -> None:
    route = Route.of(url)
    assert (route.host, route.port, route.secure) == (host, port, url.startswith("https"))
    assert head(url) == [f"POST {path} HTTP/1.1", f"host: {authority}"]


@pytest.mark.parametrize(
    "url", ["", "a.example", "ftp://a.example", "http://", "http://a:b", "x:/"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no URL"):
        Route.of(url)
    with pytest.raises(ValueError, match="is no URL"):
        Route.of(URL, f"socks5://{url}")


def test_connections_are_shared_by_who_goes_the_same_way() -> None:
    assert Route.of(URL).name == Route.of("https://a.example/other").name
    others = [Route.of("https://a.example:8443"), Route.of("http://a.example:443")]
    others += [Route.of(URL, "http://proxy"), Route.of("https://b.example")]
    assert len({route.name for route in [Route.of(URL), *others]}) == 5


def test_a_proxy_is_told_all_of_the_address() -> None:
    url = "http://a.example:81/v1"
    assert head(url, "http://us%65r:p%40ss@proxy:3128", a="b") == [
        f"POST {url} HTTP/1.1",
        "host: a.example:81",
        "a: b",
        "proxy-authorization: Basic dXNlcjpwQHNz",
    ]
    # What goes through a tunnel is for the server alone.
    assert head(URL, "http://user:pass@proxy:3128")[0] == "POST /v1/chat/completions HTTP/1.1"
    assert "proxy-authorization" not in "".join(head(URL, "http://user:pass@proxy:3128"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://proxy:3128", Proxy("proxy", 3128, False, None)),
        ("https://proxy", Proxy("proxy", 443, True, None)),
        ("proxy:3128", Proxy("proxy", 3128, False, None)),
        ("http://user@proxy", Proxy("proxy", 80, False, "Basic dXNlcjo=")),
    ],
)
def test_proxies(url: str, expected: Proxy) -> None:
    assert Proxy.of(url) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "b\r\nx-evil: 1"),
        ("x-a", "b\nx-evil: 1"),
        ("x-a", "b\rx-evil: 1"),
        ("x-a", "b\0"),
        ("x-a\r\nx-evil", "1"),
        ("x a", "1"),
        ("x:a", "1"),
        ("", "1"),
        ("ü", "1"),
    ],
)
def test_no_header_makes_another(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="is no header") as raised:
        Route.of(URL).head(URL, {"host-like": "x", name: value})
    assert "evil: 1" not in str(raised.value)


def test_values_are_sent_as_utf_8() -> None:
    written = Route.of(URL).head(URL, {"x-a": "café\tx"})
    assert "x-a: café\tx".encode() in written

"""A browser without a screen: it keeps cookies and fills in forms."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from html import unescape

import httpx
import pytest

from tests.http.evals.conftest import Evaluating, Knowing
from tests.servers import FakeProvider, Gateway

_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Visitor:
    """Somebody at the console."""

    def __init__(self, gateway: Gateway, http: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.http = http
        self.token = ""

    async def get(self, path: str, **headers: str) -> httpx.Response:
        page = await self.http.get(path, headers=headers)
        if found := _TOKEN.search(page.text):
            self.token = found[1]
        return page

    async def post(
        self, path: str, form: Mapping[str, str | list[str]] | None = None, **headers: str
    ) -> httpx.Response:
        """Send a form, with the token of the last page unless the form has one."""
        data = {"csrf": self.token, **(form or {})}
        return await self.http.post(path, data=data, headers=headers)

    async def sign_in(self, key: str | None = None, **form: str) -> httpx.Response:
        await self.get("/ui/sign-in")
        given = {"key": self.gateway.admin_key if key is None else key, **form}
        answer = await self.post("/ui/sign-in", given)
        if answer.status_code == 303:
            await self.get("/ui/models")
        return answer


def texts(page: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


async def settings_page(url: str, admin_key: str) -> str:
    """What the Settings tab says of a gateway that runs elsewhere; over a new connection."""
    async with httpx.AsyncClient(base_url=url, follow_redirects=True) as http:
        found = _TOKEN.search((await http.get("/ui/sign-in")).text)
        assert found is not None
        form = {"csrf": found[1], "key": admin_key, "next": "/ui/settings"}
        return texts(await http.post("/ui/sign-in", data=form))


@pytest.fixture
async def stranger(gateway: Gateway) -> AsyncIterator[Visitor]:
    """Somebody who has not signed in."""
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        yield Visitor(gateway, http)


@pytest.fixture
async def visitor(stranger: Visitor) -> Visitor:
    """Somebody who has."""
    assert (await stranger.sign_in()).status_code == 303
    return stranger


@pytest.fixture
def evals(gateway: Gateway, provider: FakeProvider) -> Evaluating:
    """What a test does with evaluations over the API."""
    knowing = Knowing()
    provider.behaviour = knowing.behaviour
    return Evaluating(gateway, knowing)

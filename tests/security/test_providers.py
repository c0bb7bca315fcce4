"""A provider that means harm. That its words hide secrets and forge no log is tested beside."""

from __future__ import annotations

from itertools import product

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.servers import Gateway, answer, serving

# One of each of litellm's ways to call: the openai package, and its own client.
PROVIDERS = ["openai", "azure", "hosted_vllm", "anthropic", "mistral", "ollama"]


@pytest.mark.parametrize("named", PROVIDERS)
async def test_no_provider_sends_a_call_on(gateway: Gateway, named: str) -> None:
    """Not into the operator's network, whose answer would come back to the caller."""
    reached: list[str] = []

    async def internal(request: Request) -> Response:
        reached.append(f"{request.method} {request.url}")
        return answer({"error": {"message": "INTERNAL"}}, 400)

    routes = [Route("/{path:path}", internal, methods=["GET", "POST"])]
    async with serving(Starlette(routes=routes)) as url:
        version = {"api_version": "2024-10-21"} if named == "azure" else {}
        await gateway.add_model(provider=named, base_url=gateway.provider.url, **version)
        for status, stream in product((301, 302, 303, 307, 308), (False, True)):
            gateway.provider.does(RedirectResponse(f"{url}/internal", status))
            refused = await gateway.chat(gateway.admin_key, stream=stream)
            assert refused.status_code >= 400
            assert "INTERNAL" not in refused.text
    assert gateway.provider.received
    assert reached == []

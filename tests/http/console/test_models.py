"""The Models tab."""

from __future__ import annotations

import html
import json

import pytest

from gateway.http.console.provider_hints import provider_hints
from gateway.providers import BASE_URL_REQUIRED, known_providers
from tests.http.console.conftest import Visitor, texts
from tests.servers import Gateway, answer, completion

SECRET = "sk-upstream-0123456789"


async def added(visitor: Visitor, **form: str) -> str:
    """The id of a model that was added by the form."""
    given = {
        "model_name": "gpt",
        "provider": "openai",
        "api_key": SECRET,
        "base_url": f"{visitor.gateway.provider.url}/v1",
    } | form
    answer = await visitor.post("/ui/models", given)
    assert answer.status_code == 303, texts(answer)
    catalogue = visitor.gateway.app.state.services.registry.catalogue
    found = catalogue.groups[given["model_name"]].deployments[-1]
    return str(found.id)


async def test_nothing_registered_teaches_how_to(visitor: Visitor) -> None:
    said = texts(await visitor.get("/ui/models"))
    assert "No models yet" in said
    assert "gateway models add gpt-4o --provider openai" in said


async def test_a_model_of_the_form_can_be_called(visitor: Visitor, gateway: Gateway) -> None:
    await added(visitor)
    key = (await gateway.issue_key())["key"]
    assert (await gateway.chat(key)).status_code == 200
    page = await visitor.get("/ui/models?added=gpt")
    assert "“gpt” is registered." in texts(page)
    assert SECRET not in page.text
    audit = (await gateway.manage("GET", "/audit?action=model")).json()["data"][0]
    assert (audit["action"], audit["target"]["name"]) == ("model.add", "gpt")


async def test_calls_and_errors_of_the_day_are_told(visitor: Visitor, gateway: Gateway) -> None:
    await added(visitor)
    await added(visitor, model_name="idle")
    key = (await gateway.issue_key())["key"]
    await gateway.chat(key)
    await gateway.flush()
    page = texts(await visitor.get("/ui/models"))
    assert "healthy 1 0" in page
    assert "no calls 0 0" in page
    gateway.provider.does(lambda: answer({"error": {"message": "no"}}, 500))
    for _ in range(2):
        await gateway.chat(key)
    await gateway.flush()
    page = texts(await visitor.get("/ui/models"))
    assert "failing 3 2" in page


async def test_search_goes_by_name_provider_and_address(visitor: Visitor) -> None:
    await added(visitor)
    await added(visitor, model_name="claude", provider="anthropic", base_url="")
    for sought, found in (("CLA", "claude"), ("anthropic", "claude"), ("127.0.0.1", "gpt")):
        part = await visitor.get(f"/ui/models?q={sought}", **{"hx-request": "true"})
        assert "<html" not in part.text
        assert f">{found}</a>" in part.text
        assert f">{'gpt' if found == 'claude' else 'claude'}</a>" not in part.text
    assert "No model matches “<x>”." in texts(await visitor.get("/ui/models?q=%3Cx%3E"))


@pytest.mark.parametrize(
    ("form", "field", "told"),
    [
        ({"model_name": ""}, "model_name", "model_name"),
        ({"provider": "nobody"}, "provider", "not one of litellm's providers"),
        ({"provider": "azure", "base_url": ""}, "base_url", "is required for the provider azure"),
        ({"base_url": "ftp://x"}, "base_url", "base_url"),
        ({"params": "{"}, "params", "litellm_params is not valid JSON"),
        ({"params": "[]"}, "params", "litellm_params takes a JSON object"),
        ({"params": '{"nonsense_param_x": {"a": 1}, "timeout": "x"}'}, "params", "timeout"),
        ({"info": "{"}, "info", "model_info is not valid JSON"),
        ({"rpm": "many"}, "rpm", "rpm takes a whole number"),
        ({"lane": "direct", "provider": "gemini"}, "lane", "direct is for"),
    ],
)
async def test_what_is_wrong_is_told_where_it_is(
    visitor: Visitor, form: dict[str, str], field: str, told: str
) -> None:
    given = {"model_name": "gpt", "provider": "openai", "api_key": SECRET} | form
    page = await visitor.post("/ui/models", given)
    assert page.status_code == 422
    note = page.text.partition(f'id="{field}-problem">')[2].partition("<")[0]
    assert told in html.unescape(note)
    assert f'aria-describedby="{field}-problem"' in page.text or field == "provider"
    # What was written is there still, but for the key.
    assert 'value="gpt"' in page.text or not given["model_name"]
    assert SECRET not in page.text
    assert visitor.gateway.app.state.services.registry.catalogue.groups == {}


async def test_a_change_leaves_the_key_and_what_it_does_not_name(
    visitor: Visitor, gateway: Gateway
) -> None:
    extra = {"timeout": 30, "aws_secret_access_key": "hidden-in-params"}
    model_id = await added(visitor, params=json.dumps(extra), rpm="100")
    page = await visitor.get(f"/ui/models/edit?id={model_id}")
    assert SECRET not in page.text
    assert "hidden-in-params" not in page.text
    shown = html.unescape(page.text.partition('name="params"')[2].partition(">")[2])
    params = json.loads(shown.partition("</textarea>")[0])
    assert params == {"timeout": 30, "aws_secret_access_key": "[hidden]"}
    params = {"max_retries": 1, "aws_secret_access_key": "[hidden]"}
    form = {
        "id": model_id,
        "model_name": "renamed",
        "provider": "openai",
        "api_key": "",
        "base_url": f"{gateway.provider.url}/v1",
        "model": "gpt",
        "rpm": "200",
        "params": json.dumps(params),
    }
    answer = await visitor.post("/ui/models/edit", form)
    assert answer.headers["location"] == "/ui/models?changed=renamed"
    [model] = gateway.app.state.services.registry.catalogue.groups["renamed"].deployments
    assert model.secrets == {
        "api_key": SECRET,
        "aws_secret_access_key": "hidden-in-params",
    }
    assert model.params == {"max_retries": 1, "rpm": 200}
    assert (model.id, model.upstream_model) == (model_id, "gpt")


async def test_the_key_can_be_replaced_and_removed(visitor: Visitor, gateway: Gateway) -> None:
    model_id = await added(visitor)
    form = {"id": model_id, "model_name": "gpt", "provider": "openai", "model": "gpt"}
    form["base_url"] = f"{gateway.provider.url}/v1"
    catalogue = gateway.app.state.services.registry
    await visitor.post("/ui/models/edit", form | {"api_key": "sk-other-0123456789"})
    assert catalogue.catalogue.deployments[model_id].secrets["api_key"] == "sk-other-0123456789"
    await visitor.post("/ui/models/edit", form | {"no_api_key": "1"})
    assert "api_key" not in catalogue.catalogue.deployments[model_id].secrets


async def test_a_stored_key_is_not_sent_to_another_host(visitor: Visitor) -> None:
    model_id = await added(visitor)
    form = {"id": model_id, "model_name": "gpt", "provider": "openai", "model": "gpt"}
    page = await visitor.post("/ui/models/edit", form | {"base_url": "https://evil.example"})
    assert page.status_code == 422
    assert "api_key must be given again" in texts(page)


async def test_deleting_names_its_effect_first(visitor: Visitor, gateway: Gateway) -> None:
    model_id = await added(visitor)
    key = (await gateway.issue_key())["key"]
    await gateway.chat(key)
    await gateway.flush()
    page = texts(await visitor.get(f"/ui/models/delete?id={model_id}"))
    assert "are refused from then on, with “no such model”: there were 1 in the last 24" in page
    answer = await visitor.post("/ui/models/delete", {"id": model_id})
    assert answer.headers["location"] == "/ui/models?deleted=gpt"
    assert (await gateway.chat(key)).status_code == 400
    assert (await visitor.post("/ui/models/delete", {"id": model_id})).status_code == 404


async def test_of_several_deployments_one_is_deleted(visitor: Visitor, gateway: Gateway) -> None:
    first = await added(visitor)
    await added(visitor, model="other")
    assert "1 of 2 deployments" in texts(await visitor.get("/ui/models"))
    page = texts(await visitor.get(f"/ui/models/delete?id={first}"))
    assert "1 other of that name takes its calls" in page
    await visitor.post("/ui/models/delete", {"id": first})
    assert len(gateway.app.state.services.registry.catalogue.groups["gpt"].deployments) == 1


async def test_a_test_is_one_real_call(visitor: Visitor, gateway: Gateway) -> None:
    prices = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.001}
    model_id = await added(visitor, params=json.dumps(prices))
    gateway.provider.does(lambda: answer(completion("<b>Hello</b>")))
    gateway.provider.received.clear()
    part = await visitor.post("/ui/models/test", {"id": model_id}, **{"hx-request": "true"})
    assert len(gateway.provider.received) == 1
    assert "gpt answered" in texts(part)
    assert "for $0.017" in texts(part)
    assert "&lt;b&gt;Hello&lt;/b&gt;" in part.text
    # Without scripts, as a page.
    page = await visitor.post("/ui/models/test", {"id": model_id})
    assert "<h1>Test of gpt</h1>" in page.text


async def test_a_test_that_fails_says_what_to_do(visitor: Visitor, gateway: Gateway) -> None:
    model_id = await added(visitor)
    gateway.provider.does(lambda: answer({"error": {"message": "Incorrect API key"}}, 401))
    part = await visitor.post("/ui/models/test", {"id": model_id}, **{"hx-request": "true"})
    assert part.status_code == 200
    assert "gpt does not work." in texts(part)
    assert "Incorrect API key" in texts(part)
    assert "To mend it:" in texts(part)


async def test_a_pattern_without_a_stand_in_is_not_tried(visitor: Visitor) -> None:
    model_id = await added(visitor, model_name="any/*", model="*")
    part = await visitor.post("/ui/models/test", {"id": model_id}, **{"hx-request": "true"})
    assert "Not tried: it is a pattern" in texts(part)


def test_every_provider_has_a_hint_and_those_without_address_say_so() -> None:
    hints = {hint.provider: hint for hint in provider_hints()}
    assert hints.keys() == known_providers()
    assert all(hints[name].base_url_required for name in BASE_URL_REQUIRED & hints.keys())
    assert not hints["openai"].base_url_required
    assert "aws_region_name" in hints["bedrock"].needs
    assert hints["anthropic"].usual

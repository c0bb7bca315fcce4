"""Which entry of litellm's price table is a model's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.price_table import listed, table
from gateway.pricing import prices_of
from gateway.records import Usage
from tests.test_pricing import MILLION, model, prices


@pytest.mark.parametrize(
    ("provider", "name", "entry"),
    [
        ("openai", "gpt-4o", "gpt-4o"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("openai", "gpt-4o-2031-01-01", "gpt-4o"),
        ("openai", "ft:gpt-4o-2024-08-06:us::id", "ft:gpt-4o-2024-08-06"),
        ("openai", "gpt-3.5-turbo-instruct", "gpt-3.5-turbo-instruct"),
        ("azure", "gpt-4o", "azure/gpt-4o"),
        ("azure_ai", "gpt-4.1", "gpt-4.1"),
        ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("gemini", "gemini-2.5-flash", "gemini/gemini-2.5-flash"),
        ("gemini", "gemini-2.5-flash-001", "gemini/gemini-2.5-flash"),
        ("vertex_ai", "gemini-2.5-flash", "gemini-2.5-flash"),
        ("mistral", "mistral-small-latest", "mistral/mistral-small-latest"),
        ("deepseek", "deepseek-chat", "deepseek/deepseek-chat"),
        ("bedrock", "amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("bedrock", "converse/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("bedrock", "amazon.nova-pro-v1:0:300k", "amazon.nova-pro-v1:0"),
        ("bedrock", "jp.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("bedrock", "eu-north-1/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0",
            "amazon.nova-pro-v1:0",
        ),
        ("litellm_proxy", "gpt-4o", "gpt-4o"),
        # As litellm: a server's model is not OpenAI's for having its name.
        ("hosted_vllm", "gpt-4o", None),
        ("hosted_vllm", "meta-llama/Llama-3.1-8B-Instruct", None),
        ("azure", "the-name-of-a-deployment", None),
        ("huggingface", "some/model", None),
        # Each is another provider's.
        ("openai", "claude-sonnet-4-5", None),
        ("anthropic", "gpt-4o", None),
    ],
)
def test_entry_of_a_model(provider: str, name: str, entry: str | None) -> None:
    found = listed(model(provider, name))
    assert (found[1] if found else None) == (table()[entry] if entry else None)
    assert (prices_of(model(provider, name)) is None) == (entry is None)


def test_a_region_of_amazons_may_have_its_price() -> None:
    region, name = "eu-central-1", "anthropic.claude-instant-v1"
    there, elsewhere = (
        prices("bedrock", name, aws_region_name=place) for place in (region, "eu-north-1")
    )
    # 1,000 x 2,480 and 1,000 x 800
    assert there.cost(Usage(prompt_tokens=1000)) == 2_480_000
    assert elsewhere.cost(Usage(prompt_tokens=1000)) == 800_000


@pytest.mark.parametrize("base", ["azure/gpt-4o", "gpt-4o"])
@pytest.mark.parametrize("provider", ["azure", "hosted_vllm"])
@pytest.mark.parametrize("in_info", [False, True])
def test_base_model_says_what_a_deployment_is(base: str, provider: str, in_info: bool) -> None:
    says = {"base_model": base}
    found = prices_of(
        model(provider, "deployment", {} if in_info else says, says if in_info else {})
    )
    assert found
    assert found.by_name["input_cost_per_token"] == 2.5e-06


def test_base_model_goes_before_the_name() -> None:
    params, info = {"base_model": "gpt-5"}, {"base_model": "o3"}
    found = prices_of(model("azure", "gpt-4o", params, info))
    assert found
    assert found.by_name["input_cost_per_token"] == table()["o3"]["input_cost_per_token"]
    # One that nobody knows is not the name's: what it costs is unknown.
    assert prices_of(model("azure", "gpt-4o", info={"base_model": "quux"})) is None


@pytest.mark.parametrize("provider", ["ollama", "ollama_chat", "lemonade"])
def test_models_on_the_own_machine_are_free_unless_priced(provider: str) -> None:
    assert prices(provider, "any-model").cost(MILLION) == 0
    assert prices(provider, "any-model", input_cost_per_token=1e-06).cost(MILLION) == 10**9


@pytest.mark.parametrize(
    "name",
    [
        # Priced by the video's second; the completion's 0 does not make it free.
        "twelvelabs.marengo-embed-2-7-v1:0",
        # Without any price, by a subscription.
        "github_copilot/gpt-4o",
    ],
)
def test_entries_that_say_no_price(name: str) -> None:
    entry = table()[name]
    assert prices_of(model(entry["litellm_provider"], name)) is None


def test_every_entry_of_the_table_can_be_read() -> None:
    priced = 0
    for name, entry in table().items():
        found = prices_of(model(entry.get("litellm_provider") or "openai", name))
        if found:
            priced += 1
            cost = found.cost(MILLION)
            # None where the model has other prices than a token's.
            assert cost is None or 0 <= cost <= found.worst(10**6, 10**6)
    assert priced > 3000


def test_it_takes_no_litellm() -> None:
    """It takes seconds to import, for which no command has time."""
    code = (
        "import sys; from gateway.pricing import prices_of; from tests.test_pricing import model;"
        "assert prices_of(model('openai', 'gpt-4o'));"
        "sys.exit('litellm' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

"""How each provider is registered, so that its calls reach a fake at a given URL."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SECRET = "upstream-secret-5f2b91"
"""The providers' key; aimock quotes it where it refuses a key (tests/aimock.json)."""

PROVIDERS = (
    "openai",
    "azure",
    "anthropic",
    "gemini",
    "mistral",
    "ollama",
    "bedrock",
    "hosted_vllm",
)


def registration(provider: str, url: str, **params: Any) -> Json:
    """The fields of a model at this provider, with further `litellm_params`."""
    named: dict[str, Json] = {
        "openai": {"base_url": f"{url}/v1", "litellm_params": {"model": "gpt-4o"}},
        "azure": {
            "base_url": url,
            "api_version": "2024-10-21",
            "litellm_params": {"model": "gpt-4o"},
        },
        "anthropic": {"base_url": url, "litellm_params": {"model": "claude-3-5-sonnet-20241022"}},
        "gemini": {"base_url": f"{url}/v1beta", "litellm_params": {"model": "gemini-2.0-flash"}},
        "mistral": {"base_url": f"{url}/v1", "litellm_params": {"model": "mistral-small-latest"}},
        "ollama": {"base_url": url, "litellm_params": {"model": "llama3.1"}},
        "bedrock": {
            "base_url": None,
            "api_key": None,
            "litellm_params": {
                "model": "anthropic.claude-3-5-sonnet-20241022-v2:0",
                "aws_access_key_id": f"{SECRET}-id",
                "aws_secret_access_key": SECRET,
                "aws_region_name": "us-east-1",
                "aws_bedrock_runtime_endpoint": url,
            },
        },
        "hosted_vllm": {
            "base_url": f"{url}/v1",
            "litellm_params": {"model": "meta-llama/Llama-3.1-8B-Instruct"},
        },
    }
    fields = named[provider]
    fields["litellm_params"] |= params
    return {"provider": provider, "api_key": SECRET, **fields}

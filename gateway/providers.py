"""The providers litellm knows, read without importing it (which takes seconds)."""

from __future__ import annotations

import ast
import difflib
import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from gateway.records import Operation

BASE_URL_REQUIRED = frozenset(
    {
        # Azure resources have an address each.
        "azure",
        "azure_ai",
        "azure_text",
        # Servers that run on the operator's own machines.
        "custom_openai",
        "databricks",
        "docker_model_runner",
        "hosted_vllm",
        "infinity",
        "lemonade",
        "litellm_proxy",
        "llamafile",
        "lm_studio",
        "ollama",
        "ollama_chat",
        "oobabooga",
        "openai_like",
        "ragflow",
        "triton",
        "xinference",
    }
)
"""Providers that have no public address that litellm could fall back to."""

_OPENAI_WIRE = (Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING, Operation.RESPONSES)

DIRECT: Mapping[str, Sequence[Operation]] = {
    "openai": _OPENAI_WIRE,
    "hosted_vllm": _OPENAI_WIRE,
    "anthropic": (Operation.MESSAGES,),
}
"""The operations for which a provider speaks the caller's wire format, so that their calls can be
passed on as they are. Other servers with OpenAI's API are `openai` with an address of their own."""

# Names people try first, which litellm has under another name or uses for something else.
_MEANT = {
    "vllm": "hosted_vllm",  # litellm's `vllm` loads the model into its own process
    "azure_openai": "azure",
    "aws": "bedrock",
    "claude": "anthropic",
    "google": "gemini",
    "google_ai_studio": "gemini",
    "grok": "xai",
    "together": "together_ai",
    "fireworks": "fireworks_ai",
    "lmstudio": "lm_studio",
    "openai_compatible": "hosted_vllm",
}


@cache
def known_providers() -> frozenset[str]:
    """The values of litellm's `LlmProviders` (litellm/types/utils.py), parsed from its source.

    Raises:
        RuntimeError: litellm is not installed, or has moved the list.
    """
    # find_spec locates the package without running it.
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("litellm is not installed")
    source = Path(spec.submodule_search_locations[0], "types", "utils.py").read_text("utf-8")
    start = source.find("class LlmProviders(")
    end = source.find("\n\n\n", start)
    names = frozenset(
        statement.value.value
        for node in ast.parse(source[start:end]).body
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
    if start < 0 or not names:
        raise RuntimeError("this version of litellm keeps its provider list elsewhere")
    return names - {"vllm"}


def nearest_providers(name: str) -> list[str]:
    """Up to three known providers that someone who wrote `name` may have meant."""
    folded = name.strip().lower().replace("-", "_").replace(" ", "_")
    known = sorted(known_providers())
    if folded in _MEANT:
        return [_MEANT[folded]]
    if folded in known:
        return [folded]
    close = difflib.get_close_matches(folded, known, n=3, cutoff=0.6)
    return close or [other for other in known if folded and folded in other][:3]


def split_model(name: str) -> tuple[str | None, str]:
    """Split `provider/model` where the first part is a known provider.

    >>> split_model("openai/gpt-4o")
    ('openai', 'gpt-4o')
    >>> split_model("meta-llama/Llama-3")
    (None, 'meta-llama/Llama-3')
    """
    head, slash, tail = name.partition("/")
    if slash and tail and head in known_providers():
        return head, tail
    return None, name

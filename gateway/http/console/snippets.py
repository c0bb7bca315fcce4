"""Commands and programs to copy, that call the gateway with a key."""

from __future__ import annotations

import json
import shlex

_GREETING = [{"role": "user", "content": "Hello!"}]


def curl(url: str, secret: str, model: str) -> str:
    """For a shell; a name may hold anything."""
    body = json.dumps({"model": model, "messages": _GREETING}, ensure_ascii=False)
    lines = (
        f"curl {shlex.quote(f'{url}/chat/completions')}",
        f"-H {shlex.quote(f'Authorization: Bearer {secret}')}",
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(body)}",
    )
    return " \\\n  ".join(lines)


def python(url: str, secret: str, model: str) -> str:
    """With OpenAI's client."""
    return f"""from openai import OpenAI

client = OpenAI(base_url={json.dumps(url)}, api_key={json.dumps(secret)})
answer = client.chat.completions.create(
    model={json.dumps(model, ensure_ascii=False)},
    messages={json.dumps(_GREETING)},
)
print(answer.choices[0].message.content)"""

"""Requests of the direct lane: where they go, and the caller's bytes with what must differ.

The bytes of a body are passed on as the caller wrote them. The model's name is put in its place,
and what the body lacks (the operator's defaults, the wish for a usage) is put at its end. Only
where that cannot be done safely is the body written anew.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson

from gateway.errors import Misconfigured
from gateway.litellm_names import DIRECT_DEFAULTS
from gateway.records import Call, Model, Operation
from gateway.upstream.http_routes import Route, written

log = logging.getLogger(__name__)

Json = dict[str, Any]

# As litellm has them, for models that are registered without.
_OPENAI = "https://api.openai.com/v1"
_ANTHROPIC = "https://api.anthropic.com"
_ANTHROPIC_VERSION = "2023-06-01"
_BETA = "anthropic-beta"
_COMPLETIONS = (Operation.CHAT, Operation.COMPLETION)
_WRITTEN = (*_COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES)
# What a chat's defaults are called elsewhere.
_OF_RESPONSES = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
MODEL = b'"model"'


@dataclass(frozen=True, slots=True)
class Target:
    """Where the calls of a model go, and what the operator has them say."""

    provider: str
    base: str
    headers: Mapping[str, str]
    defaults: Mapping[str, Any]
    """Parameters for callers who name none."""
    extra: Mapping[str, Any]
    """What the operator wants in every body."""
    proxy: str | None
    """That the environment names for the way there."""
    route: Route
    _heads: dict[Operation, bytes] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, model: Model) -> Target:
        """For a model whose references are resolved. Raises Misconfigured."""
        params = model.params
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        secret = model.secrets.get("api_key")
        if model.provider == "anthropic":
            base = (model.base_url or _ANTHROPIC).removesuffix("/v1/messages").removesuffix("/v1")
            headers["anthropic-version"] = _ANTHROPIC_VERSION
            if secret := secret or _of_environment("ANTHROPIC_API_KEY", model):
                headers["x-api-key"] = secret
        else:
            base = model.base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI
            if model.provider == "openai":
                secret = secret or _of_environment("OPENAI_API_KEY", model)
            if secret:
                headers["authorization"] = f"Bearer {secret}"
            if organization := params.get("organization"):
                headers["openai-organization"] = organization
        for given in (params, model.secrets):
            named: Mapping[str, str] = given.get("extra_headers") or {}
            headers |= {name.lower(): str(value) for name, value in named.items()}
        defaults = {name: params[name] for name in DIRECT_DEFAULTS if name in params}
        extra = {**params.get("extra_body", {}), **model.secrets.get("extra_body", {})}
        base = base.rstrip("/")
        proxy = _proxy(base)
        try:
            written(headers)
            route = Route.of(base, proxy)
        except ValueError as error:
            log.error("The model %r cannot be called: %s", model.name, error)
            raise Misconfigured(
                f"The model {model.name!r} is not set up rightly; the gateway's log says more"
            ) from error
        return cls(model.provider, base, headers, defaults, extra, proxy, route)

    def url(self, operation: Operation) -> str:
        return f"{self.base}{'/v1' if self.provider == 'anthropic' else ''}{operation.value}"

    def head(self, call: Call) -> bytes:
        """How the request of a call begins; see `Route.head`."""
        if call.headers:
            return self.route.head(self.url(call.operation), self.headers_of(call))
        known = self._heads.get(call.operation)
        if known is None:
            known = self.route.head(self.url(call.operation), self.headers)
            self._heads[call.operation] = known
        return known

    def headers_of(self, call: Call) -> Mapping[str, str]:
        """Those of a call: the betas of both the operator and the caller, where both name some."""
        if not call.headers:
            return self.headers
        headers = {**self.headers, **call.headers}
        betas = [named[_BETA] for named in (self.headers, call.headers) if _BETA in named]
        if betas:
            each = (beta.strip() for beta in ",".join(betas).split(","))
            headers[_BETA] = ",".join(dict.fromkeys(filter(None, each)))
        return headers


def _of_environment(name: str, model: Model) -> str | None:
    """The key of the provider itself, which is nothing for another's server."""
    return os.environ.get(name) if model.base_url is None else None


def _proxy(url: str) -> str | None:
    """By `HTTPS_PROXY` and the like, as litellm's calls go."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def request_body(call: Call, model: Model, target: Target) -> bytes:
    """The body of a call to the model."""
    body = call.body
    more: Json = {}
    if call.operation in _WRITTEN:
        for name, value in target.defaults.items():
            if call.operation is Operation.RESPONSES:
                name = _OF_RESPONSES.get(name, name)
            if name not in body:
                more[name] = value
    more |= target.extra
    if call.streams and call.operation in _COMPLETIONS and not call.wants_usage:
        more["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    raw = call.raw
    if raw is not None and not more.keys() & body.keys():
        renamed = with_model(raw, call.model_name, model.upstream_model)
        if renamed is not None:
            return _with_more(renamed, more) if more else renamed
    return orjson.dumps({**body, **more, "model": model.upstream_model})


def with_model(raw: bytes, old: str, new: str) -> bytes | None:
    """A JSON object's bytes with another value for its `model`; None where they do not show
    beyond doubt which of them that is.

    >>> with_model(b'{"model": "a", "x": 1.0}', "a", "b")
    b'{"model": "b", "x": 1.0}'
    """
    if raw.count(MODEL) != 1 or b"\\u" in raw:
        # A name in it may be written in another way.
        return None
    before, _, after = raw.partition(MODEL)
    colon, value = after.find(b":"), orjson.dumps(old)
    start = after.find(b'"', colon)
    if after[:colon].strip() or after[colon + 1 : start].strip():
        return None
    if not after.startswith(value, start):
        return None
    return b"".join((before, MODEL, after[:start], orjson.dumps(new), after[start + len(value) :]))


def _with_more(raw: bytes, more: Json) -> bytes:
    # The object has a model, so that something comes before the comma.
    end = raw.rindex(b"}")
    return raw[:end] + b"," + orjson.dumps(more)[1:]

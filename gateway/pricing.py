"""What a call costs, in whole nano-dollars.

A model's prices are those the operator gave it (`litellm_params`, else `model_info`), and else
litellm's list prices. The arithmetic is exact: prices are fractions of the digits they are written
with, and a cost is rounded once, at its end, half up.

The rules are the providers' published ones, which litellm mostly has in
`litellm_core_utils/llm_cost_calc/utils.py`:

- The length of the whole prompt, what is cached included, decides on a long prompt's prices
  (`…_above_200k_tokens`, `tiered_pricing`), and all of the request is charged at them, the
  completion too. A prompt must be longer than the threshold; at xAI it suffices to reach it.
- A service tier's own price goes before the standard one, `…_above_200k_tokens_flex` before all.
  Where the table has no such combination, the long prompt's price is taken times what the tier
  makes of the plain price: the discounts of batches and long prompts' surcharges stack.
- Cached, audio, image and reasoning tokens without a price of their own, or with one that is the
  same as that of all input or output, follow that.
- Pictures, sound and rerankings are charged by tokens where they are counted in tokens and these
  have a price, and else by piece, second, character or search (`gateway.unit_prices`); never both.

What a `Usage` does not carry is not charged: cached audio and images apart from other cached
tokens, citations (Perplexity), off-peak hours (DeepSeek: charged at the peak's price).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from gateway.litellm_names import UNIT_PRICES
from gateway.money import NANO
from gateway.price_names import (
    CACHED,
    INPUT,
    OUTPUT,
    SEARCH,
    TIERED,
    Steps,
    by_kind,
    kind_of,
    price_of,
    prices_among,
    steps,
    tiered_steps,
)
from gateway.price_table import Entry, Variant, listed, variants
from gateway.records import Model, Units, Usage
from gateway.unit_prices import UnitPrices, unit_prices

_REQUEST = "input_cost_per_request"
# Of a web search, where the table has none: https://docs.x.ai/developers/pricing and
# https://platform.claude.com/docs/en/about-claude/pricing.
_SEARCHES = {"anthropic": Fraction("0.01"), "xai": Fraction("0.005")}
# These search before every answer and do not report it.
_ALWAYS_SEARCHES = re.compile(r"gpt-.*-search-(preview|api)")
_FIREWORKS_CACHED = Fraction("0.5")
# The table has prices of units for other models too, where they are for something else: what a
# picture that is shown to a chat costs, or a second of waiting for its answer.
_BY_UNIT = frozenset().union(*UNIT_PRICES.values())


class _Step(NamedTuple):
    """Prices of prompts longer than `above`. The unit is that of `Prices`."""

    above: int
    input: int
    cached: int
    cache_write: int
    cache_write_1h: int
    audio_prompt: int
    image_prompt: int
    output: int
    reasoning: int
    audio_completion: int
    image_completion: int
    dearest_prompt: int
    """Of any token of a prompt as long as this, or shorter."""
    dearest_completion: int


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of one model."""

    source: Literal["table", "override"]
    """Whether the operator gave any of them."""
    by_name: Mapping[str, Any]
    """The prices by LiteLLM's names, in dollars, for people to read: as they were given or are in
    the table, without a region's surcharge."""
    max_input_tokens: int | None
    max_output_tokens: int | None
    _steps: Mapping[str, tuple[_Step, ...]] = field(repr=False)
    """By service tier, the shortest prompt's first. The standard tier is ``""``."""
    _unit: int = field(repr=False)
    """So many units are a nano-dollar: all prices are whole in it."""
    _request: int = field(repr=False)
    _search: int = field(repr=False)
    _search_once: bool = field(repr=False)
    """Whether a request's searches cost the same however many they are."""
    _per_unit: UnitPrices | None = field(repr=False)
    _no_tokens: bool = field(repr=False)
    """Whether no price of a token is known, not even that it is 0."""

    def cost(self, usage: Usage) -> int | None:
        """Nano-dollars of a call, None where nothing of it has a known price.

        Parts that exceed their total are cut to it.
        """
        if usage.units is not None or self._no_tokens:
            return self._by_unit(usage)
        left = usage.prompt_tokens
        step = _step(self._steps.get(usage.tier) or self._steps[""], left)
        written = min(usage.cache_write_tokens, left)
        left -= written
        written_1h = min(usage.cache_write_1h_tokens, written)
        cached = min(usage.cached_tokens, left)
        left -= cached
        audio = min(usage.audio_prompt_tokens, left)
        left -= audio
        image = min(usage.image_prompt_tokens, left)
        said = usage.completion_tokens
        audio_out = min(usage.audio_completion_tokens, said)
        said -= audio_out
        image_out = min(usage.image_completion_tokens, said)
        said -= image_out
        reasoning = min(usage.reasoning_tokens, said)
        searches = min(usage.searches, 1) if self._search_once else usage.searches
        return self._rounded(
            (left - image) * step.input
            + cached * step.cached
            + (written - written_1h) * step.cache_write
            + written_1h * step.cache_write_1h
            + audio * step.audio_prompt
            + image * step.image_prompt
            + (said - reasoning) * step.output
            + reasoning * step.reasoning
            + audio_out * step.audio_completion
            + image_out * step.image_completion
            + searches * self._search
            + self._request
        )

    def _by_unit(self, usage: Usage) -> int | None:
        if not self._no_tokens and (not self._measures(usage.units) or self._by_token(usage)):
            return self.cost(replace(usage, units=None))
        dollars = self._per_unit.cost(usage.units) if self._per_unit and usage.units else None
        return None if dollars is None else self._in_nano(dollars)

    def charges(self, usage: Usage) -> bool:
        """Whether something that was counted has a price."""
        return self._by_token(usage) or self._measures(usage.units)

    def sure(self, units: Units) -> bool:
        """Whether the price of units does not depend on what is not known of them."""
        return self._per_unit is not None and self._per_unit.sure(units)

    def _by_token(self, usage: Usage) -> bool:
        if not usage.total_tokens:
            return False
        steps = self._steps[""]
        return any(step.dearest_prompt or step.dearest_completion for step in steps)

    def _measures(self, units: Units | None) -> bool:
        return (
            units is not None
            and self._per_unit is not None
            and (self._per_unit.cost(units) is not None)
        )

    def worst(
        self,
        prompt_tokens: int,
        completion_tokens: int,
        tier: str = "",
        units: Units | None = None,
    ) -> int:
        """Nano-dollars that no call of so much, or less, can exceed; for a reservation.

        Every token counts as the dearest kind: written to the cache, audio, reasoning. A service
        tier is reckoned with where it is named, and the standard one always, since a provider may
        fall back to it. Searches come on top. Of tokens and units the dearer are taken.
        """
        dearest = [
            _step(self._steps[name], prompt_tokens) for name in {"", tier} if name in self._steps
        ]
        by_token = self._rounded(
            prompt_tokens * max(step.dearest_prompt for step in dearest)
            + completion_tokens * max(step.dearest_completion for step in dearest)
            + self._request
        )
        dollars = self._per_unit.cost(units) if self._per_unit and units else None
        return by_token if dollars is None else max(by_token, self._in_nano(dollars))

    def _in_nano(self, dollars: Fraction) -> int:
        nano = dollars * NANO + Fraction(self._request, self._unit)
        # Half up, where round() would take the even one.
        return int(nano + Fraction(1, 2))

    def _rounded(self, units: int) -> int:
        return (2 * units + self._unit) // (2 * self._unit)


def prices_of(model: Model) -> Prices | None:
    """The prices of a registered model; None where no price is known.

    A price in `model.params` goes before one in `model.info`, and either before the table's. A
    plain price that is given also replaces the table's variants of it, for long prompts and tiers.
    Models on the operator's own machine (Ollama, Lemonade) cost nothing unless a price is given.
    To work them out takes a tenth to half a millisecond: keep them with the model.
    """
    name, entry = listed(model) or (model.upstream_model, {})
    provider = str(entry.get("litellm_provider") or model.provider)
    given = prices_among(model.info) | prices_among(model.params)
    own = by_kind(given)
    replaced = {kind for kind, above, tier in own if not (above or tier)}
    # Who charges by piece does not by token, and the other way around.
    measured = bool(replaced & {INPUT, OUTPUT} or given.keys() & UNIT_PRICES)
    named = _left_of(entry, replaced, measured)
    uplift = _uplift(model, entry)
    own = {key: price * uplift for key, price in by_kind(named).items()} | own
    named |= given
    if provider.startswith("fireworks_ai") and (INPUT, 0, "") in own:
        own.setdefault((CACHED, 0, ""), own[INPUT, 0, ""] * _FIREWORKS_CACHED)
    tiers = named.get(TIERED)
    request = price_of(named.get(_REQUEST)) or Fraction(0)
    per_unit = unit_prices(named, {} if measured else _variants(model, entry))
    # A completion for nothing says nothing of a prompt that is charged by other measures.
    no_tokens = not (
        any(own.values())
        or (INPUT, 0, "") in own
        or given.keys() - UNIT_PRICES.keys()
        or tiers
        or request
    )
    if no_tokens and per_unit is None:
        return None
    search = _search_price(named.get(SEARCH), provider)
    if _ALWAYS_SEARCHES.search(name):
        request, search = request + search, Fraction(0)
    return _in_units(
        tiered_steps(own, tiers) if isinstance(tiers, list) else steps(own, provider == "xai"),
        request,
        search,
        source="override" if given else "table",
        by_name={name: _shown(value) for name, value in named.items()},
        max_input_tokens=_limit(model.info, entry, "max_input_tokens"),
        max_output_tokens=_limit(model.info, entry, "max_output_tokens"),
        _search_once=_searches_once(name, provider, entry),
        _per_unit=per_unit,
        _no_tokens=no_tokens,
    )


def _left_of(entry: Entry, replaced: Set[str | None], measured: bool) -> dict[str, Any]:
    """The table's prices that hold beside given ones, which replace these kinds of tokens.

    `measured`: whether what is given says what is charged, tokens or pieces.
    """
    by_piece = measured and not replaced & {INPUT, OUTPUT}
    left = {}
    for name, value in prices_among(entry).items():
        if name in UNIT_PRICES:
            holds = not measured and entry.get("mode") in _BY_UNIT
        elif name == TIERED:
            holds = not measured
        else:
            kind = kind_of(name)
            holds = kind is None or not (by_piece or kind in replaced)
        if holds:
            left[name] = value
    return left


def _variants(model: Model, entry: Entry) -> Mapping[Variant, Entry]:
    """Of a model of pictures, or one that may be one."""
    return variants(model) if entry.get("mode") in (None, *_BY_UNIT) else {}


def _in_units(steps: Steps, request: Fraction, search: Fraction, **fields: Any) -> Prices:
    """Make all prices whole numbers of one unit."""
    every = [price for tier in steps.values() for _, prices in tier for price in prices]
    # What is left of each denominator once the price is in nano-dollars.
    unit = lcm(*(p.denominator // gcd(p.denominator, NANO) for p in (*every, request, search)))

    def whole(price: Fraction) -> int:
        return price.numerator * NANO * unit // price.denominator

    made: dict[str, tuple[_Step, ...]] = {}
    for tier, lengths in steps.items():
        row: list[_Step] = []
        for above, prices in lengths:
            units = [whole(price) for price in prices]
            before = row[-1:]
            row.append(
                _Step._make(
                    (
                        above,
                        *units,
                        max(*units[:6], *(step.dearest_prompt for step in before)),
                        max(*units[6:], *(step.dearest_completion for step in before)),
                    )
                )
            )
        made[tier] = tuple(row)
    return Prices(_steps=made, _unit=unit, _request=whole(request), _search=whole(search), **fields)


def _step(steps: tuple[_Step, ...], prompt_tokens: int) -> _Step:
    step = steps[0]
    for longer in steps[1:]:
        if prompt_tokens <= longer.above:
            break
        step = longer
    return step


def _uplift(model: Model, entry: Entry) -> Fraction:
    """What the place of processing multiplies list prices by, as far as the model says it."""
    factors: list[object] = []
    host = urlsplit(model.base_url or "").hostname or ""
    region, _, rest = host.partition(".")
    if rest == "api.openai.com":
        factors.append(entry.get(f"regional_processing_uplift_multiplier_{region}"))
    if model.params.get("vertex_location") not in (None, "global"):
        factors.append(entry.get("regional_endpoint_uplift_multiplier"))
    if model.provider == "anthropic":
        special = entry.get("provider_specific_entry") or {}
        factors += [special.get(model.params.get(name)) for name in ("inference_geo", "speed")]
    uplift = Fraction(1)
    for factor in factors:
        uplift *= price_of(factor) or 1
    return uplift


def _search_price(named: object, provider: str) -> Fraction:
    """Of one web search. How much of the web it reads is not known: the middle, as litellm has."""
    size = "search_context_size_low" if provider == "perplexity" else "search_context_size_medium"
    price = price_of(named.get(size)) if isinstance(named, Mapping) else None
    return _SEARCHES.get(provider, Fraction(0)) if price is None else price


def _searches_once(name: str, provider: str, entry: Entry) -> bool:
    if provider == "perplexity":
        return "deep-research" not in name
    google = provider == "gemini" or (provider.startswith("vertex_ai") and "claude" not in name)
    return google and entry.get("web_search_billing_unit") != "per_query"


def _limit(info: Mapping[str, Any], entry: Entry, name: str) -> int | None:
    values = [info.get(name), entry.get(name)]
    if name == "max_output_tokens" and entry.get("mode") != "embedding":
        # Its older name, of a completion's length in the entries that have no other.
        values.append(entry.get("max_tokens"))
    return next((value for value in values if type(value) is int and value > 0), None)


def _shown(value: Any) -> Any:
    return float(value) if price_of(value) is not None else value

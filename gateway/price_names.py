"""Prices by LiteLLM's names: checked, and put in order of prompt length and service tier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from gateway.fields import WrongField
from gateway.litellm_names import (
    PRICE_NAME,
    TIERS,
    TOKEN_PRICES,
    UNIT_PRICES,
    is_price,
    is_unsupported_price,
)

INPUT = "input_cost_per_token"
OUTPUT = "output_cost_per_token"
CACHED = "cache_read_input_token_cost"
SEARCH = "search_context_cost_per_query"
TIERED = "tiered_pricing"

_REASONING = "output_cost_per_reasoning_token"
_WRITE = "cache_creation_input_token_cost"
# Another name of CACHED, in some of DeepSeek's entries.
_CACHE_HIT = "input_cost_per_token_cache_hit"
_SIZES = tuple(f"search_context_size_{size}" for size in ("low", "medium", "high"))
# Dollars, and a power of ten: beyond, arithmetic would take long, and a price make no sense.
_DEAREST = 1_000_000
_FINEST = -40

KINDS: dict[str, str | None] = {
    INPUT: None,
    CACHED: INPUT,
    _WRITE: INPUT,
    "cache_creation_input_token_cost_above_1hr": _WRITE,
    "input_cost_per_audio_token": INPUT,
    "input_cost_per_image_token": INPUT,
    OUTPUT: None,
    _REASONING: OUTPUT,
    "output_cost_per_audio_token": OUTPUT,
    "output_cost_per_image_token": OUTPUT,
}
"""Each kind of token's price, and the one that holds where it has none. A prompt's come first."""

ByKind = dict[tuple[str, int, str], Fraction]
"""Prices by kind, the prompt's length above which they hold (0: always), and service tier."""

Steps = dict[str, list[tuple[int, list[Fraction]]]]
"""By service tier, for ever longer prompts: longer than what, and the prices in KINDS' order."""


def check_prices(named: Mapping[str, Any], where: str, mode: object = None) -> None:
    """Refuse prices that are none, or none of a model of this `mode`. Other names are passed over.

    Raises:
        WrongField: `where.name` is not a price, or one that the gateway cannot reckon with.
    """
    for name, value in named.items():
        path = f"{where}.{name}"
        if value is None:
            continue
        if is_unsupported_price(name):
            raise WrongField(path, "is a price that this gateway cannot reckon with yet")
        modes = UNIT_PRICES.get(name)
        if modes and mode not in modes:
            raise WrongField(
                path,
                "is a price that this gateway can reckon with only for models whose "
                f"model_info.mode is {' or '.join(sorted(modes))}",
            )
        if name == TIERED:
            _check_tiers(value, path)
        elif name == SEARCH:
            if not isinstance(value, Mapping) or not set(value) & set(_SIZES):
                raise WrongField(path, f"takes a price for each of {', '.join(_SIZES)}")
            for size in value:
                _check_price(value[size], f"{path}.{size}")
        elif is_price(name):
            _check_price(value, path)


def _check_tiers(tiers: object, path: str) -> None:
    if not isinstance(tiers, list) or not tiers:
        raise WrongField(path, "takes a list of prices, each with a range of prompt tokens")
    for position, tier in enumerate(tiers):
        inner = f"{path}.{position}"
        if not isinstance(tier, Mapping) or INPUT not in tier or _bounds(tier) is None:
            raise WrongField(
                inner, f"takes range, two numbers of prompt tokens, and {INPUT} with other prices"
            )
        for name, value in tier.items():
            if name != "range" and name not in TOKEN_PRICES:
                raise WrongField(
                    f"{inner}.{name}", "is not one of the prices that a range can have"
                )
            if name != "range":
                _check_price(value, f"{inner}.{name}")


def _check_price(value: object, path: str) -> None:
    if price_of(value) is None:
        raise WrongField(path, f"takes a price in dollars, a number from 0 to {_DEAREST}")


def price_of(value: object) -> Fraction | None:
    """The dollars, by the digits they are written with; YAML reads `3e-7` as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        digits = Decimal(str(value))
    except InvalidOperation:
        return None
    if not digits.is_finite():
        return None
    exponent = digits.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < _FINEST or not 0 <= digits <= _DEAREST:
        return None
    return Fraction(digits)


def prices_among(values: Mapping[str, Any]) -> dict[str, Any]:
    """The prices among these."""
    return {key: value for key, value in values.items() if value is not None and is_price(key)}


def kind_of(name: str) -> str | None:
    """The kind of token that a price is for, if it is one token's."""
    match = PRICE_NAME.fullmatch(CACHED if name == _CACHE_HIT else name)
    return match["kind"] if match else None


def by_kind(named: Mapping[str, Any]) -> ByKind:
    """The prices of tokens among these, but for `tiered_pricing`."""
    own: ByKind = {}
    for name, value in named.items():
        match = PRICE_NAME.fullmatch(CACHED if name == _CACHE_HIT else name)
        price = price_of(value)
        if match and price is not None:
            above = int(match["above"] or 0) * (1000 if match["k"] else 1)
            own[match["kind"], above, match["tier"] or ""] = price
    return own


def steps(own: ByKind, inclusive: bool) -> Steps:
    """All prices that can hold. `inclusive`: whether a prompt need but reach a threshold."""
    own = _without_repetition(own)
    return {
        tier: [
            # Every prompt is longer than -1.
            (above - inclusive if above else -1, list(prices.values()))
            for above, prices in _prices_by_length(own, tier)
        ]
        for tier in ("", *TIERS)
        if not tier or any(named == tier for _, _, named in own)
    }


def _prices_by_length(own: ByKind, tier: str) -> Iterator[tuple[int, dict[str, Fraction]]]:
    """Each kind's price in a service tier, from the shortest prompts' on."""
    standard = _plain(own, "")
    plain = prices = _plain(own, tier)
    yield 0, plain
    for above in sorted({above for _, above, named in own if above and named in ("", tier)}):
        longer: dict[str, Fraction] = {}
        for kind, parent in KINDS.items():
            price = own.get((kind, above, tier))
            if price is None and (kind, above, "") in own:
                price = own[kind, above, ""]
                if standard[kind]:
                    price *= plain[kind] / standard[kind]
            if price is None and parent and not any((kind, 0, t) in own for t in ("", tier)):
                price = longer[parent]
            longer[kind] = prices[kind] if price is None else price
        prices = longer
        yield above, prices


def _plain(own: ByKind, tier: str) -> dict[str, Fraction]:
    """Each kind's price for prompts of any length."""
    plain: dict[str, Fraction] = {}
    for kind, parent in KINDS.items():
        price = own.get((kind, 0, tier))
        # Reasoning is output: what a tier asks for that goes before the standard price.
        if price is None and not (kind == _REASONING and (OUTPUT, 0, tier) in own):
            price = own.get((kind, 0, ""))
        if price is None:
            price = plain[parent] if parent else Fraction(0)
        plain[kind] = price
    return plain


def _without_repetition(own: ByKind) -> ByKind:
    """Drop a kind's one price where it repeats the one it would follow anyway."""
    repeated = {
        kind
        for kind, parent in KINDS.items()
        if parent
        and (kind, 0, "") in own
        and own[kind, 0, ""] == own.get((parent, 0, ""))
        and sum(key[0] == kind for key in own) == 1
    }
    return {key: price for key, price in own.items() if key[0] not in repeated}


def tiered_steps(own: ByKind, tiers: Iterable[Any]) -> Steps:
    """The steps of `tiered_pricing`. A tier's output price may be the model's own."""
    ranges = sorted(
        ((bounds[0], by_kind(tier)) for tier in tiers if (bounds := _bounds(tier))),
        key=lambda step: step[0],
    )
    steps = []
    for position, (above, prices) in enumerate(ranges):
        # What is cached and what is thought cost what the tier says, or as its other tokens do.
        kept = {
            key: price
            for key, price in own.items()
            if key == (OUTPUT, 0, "") or "audio" in key[0] or "image" in key[0]
        }
        plain = _plain(kept | prices, "")
        steps.append((above if position else -1, list(plain.values())))
    return {"": steps or [(-1, list(_plain(own, "").values()))]}


def _bounds(tier: Any) -> tuple[int, int] | None:
    bounds = tier.get("range") if isinstance(tier, Mapping) else None
    match bounds:
        case [int() | float() as low, int() | float() as high] if 0 <= low < high:
            return int(low), int(high)
    return None

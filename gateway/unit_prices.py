"""Prices of pictures, sound and rerankings: by piece, by pixel, second, character and search.

What each price is for, and which goes before which, is litellm's reading of its own table
(`default_image_cost_calculator` of cost_calculator.py, `cost_per_second` of
llms/openai/cost_calculation.py, `calculate_rerank_cost` of llms/base_llm/rerank):

- `output_cost_per_image`, or else `input_cost_per_image`, is the price of a picture that is made;
  a price per pixel is the last resort. Some models have prices by quality and size, as entries of
  their own: `hd/1024-x-1024/dall-e-3`.
- Of the two prices of a second, both hold for the same second: the output's, unless it is 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from gateway.price_names import price_of
from gateway.price_table import Variant
from gateway.records import Units

Variants = Mapping[Variant, Fraction]

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_NOT_SAID = ("", "auto")
# What DALL·E makes where it is not told; the only one with a quality named `hd`.
_DALL_E = Variant("standard", "1024x1024")
# What gpt-image makes at most where it is not told.
_LARGEST = 1024 * 1536


@dataclass(frozen=True, slots=True)
class UnitPrices:
    """Of one model, in dollars; None where there is none."""

    character: Fraction | None
    second: Fraction | None
    image: Fraction | None
    pixel: Fraction | None
    query: Fraction | None
    variants: Variants
    """Of a picture, by quality and size."""

    def cost(self, units: Units) -> Fraction | None:
        """Dollars; None where nothing of it has a price."""
        if units.characters and self.character is not None:
            # What was spoken is not charged by its length besides.
            return units.characters * self.character
        if units.milliseconds and self.second is not None:
            return units.milliseconds * self.second / 1000
        if units.queries and self.query is not None:
            return units.queries * self.query
        if units.images and (price := self._of_image(units)) is not None:
            return units.images * price
        counts = (units.characters, units.milliseconds, units.queries, units.images)
        return None if any(counts) else Fraction(0)

    def sure(self, units: Units) -> bool:
        """Whether what is charged is known: not a length that nobody reports, nor the dearest of
        several prices."""
        if units.characters:
            return self.character is not None
        return self.image is not None or not self.variants or self._exact(units) is not None

    def _of_image(self, units: Units) -> Fraction | None:
        exact = self._exact(units)
        if exact is not None:
            return exact
        if self.image is not None:
            return self.image
        if self.variants:
            return max(self._alike(units) or self.variants.values())
        return None if self.pixel is None else self.pixel * pixels(units.size)

    def _exact(self, units: Units) -> Fraction | None:
        asked = self._asked(units)
        price = self.variants.get(asked)
        return self.variants.get(Variant("", asked.size)) if price is None else price

    def _alike(self, units: Units) -> list[Fraction]:
        """The prices that agree with what is known."""
        quality, size = self._asked(units)
        return [
            price
            for variant, price in self.variants.items()
            if quality in (*_NOT_SAID, variant.quality) and size in (*_NOT_SAID, variant.size)
        ]

    def _asked(self, units: Units) -> Variant:
        dall_e = any(variant.quality == "hd" for variant in self.variants)
        quality, size = units.quality, units.size
        if dall_e and quality in _NOT_SAID:
            quality = _DALL_E.quality
        if dall_e and size in _NOT_SAID:
            size = _DALL_E.size
        return Variant(quality, size)


def unit_prices(
    named: Mapping[str, Any], variants: Mapping[Variant, Mapping[str, Any]]
) -> UnitPrices | None:
    """Make the prices of those among `named`, and of a model's entries by quality and size."""
    by_variant: dict[Variant, Fraction] = {}
    for variant, entry in variants.items():
        image, pixel = _of_image(entry), _of_pixel(entry)
        if image is None and pixel is not None:
            image = pixel * pixels(variant.size)
        if image is not None:
            by_variant[variant] = image
    made = UnitPrices(
        character=price_of(named.get("input_cost_per_character")),
        second=_first(named, "output_cost_per_second", "input_cost_per_second"),
        image=_of_image(named),
        pixel=_of_pixel(named),
        query=price_of(named.get("input_cost_per_query")),
        variants=by_variant,
    )
    prices = (made.character, made.second, made.image, made.pixel, made.query)
    return made if by_variant or any(price is not None for price in prices) else None


def pixels(size: str) -> int:
    """Of a picture of this size; of the largest usual one where that says nothing.

    >>> pixels("256x256"), pixels("auto")
    (65536, 1572864)
    """
    match = _SIZE.fullmatch(size)
    return int(match[1]) * int(match[2]) if match else _LARGEST


def _of_image(named: Mapping[str, Any]) -> Fraction | None:
    return _first(named, "output_cost_per_image", "input_cost_per_image")


def _of_pixel(named: Mapping[str, Any]) -> Fraction | None:
    return _first(named, "input_cost_per_pixel", "output_cost_per_pixel")


def _first(named: Mapping[str, Any], *names: str) -> Fraction | None:
    """The first price that is not 0, or 0 if all are."""
    prices = [price for name in names if (price := price_of(named.get(name))) is not None]
    return next((price for price in prices if price), prices[0] if prices else None)

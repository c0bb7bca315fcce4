"""Taking out of text what nobody should keep: keys, e-mail addresses, card numbers, … .

Rules are the built-in ones, by name, and an operator's own regular expressions. The built-in ones
take time in proportion to the text, whatever it holds. They rather take out too much: a number may
pass for a card's, and a word such as `sk-learn-compatible` for a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address

Rule = str | Mapping[str, str]
Redact = Callable[[str], str]

MARK = "[redacted]"
"""What takes the place of what an operator's own rule finds, unless the rule says so."""
LONGEST_PATTERN = 1000

KEY_CHARACTERS = r"[-\w*…]"
# Keys as providers write them, whole or masked in the middle: an upstream may quote a key
# that is not the one it was sent.
_KEY = re.compile(rf"(?<![A-Za-z])(?:sk|pk|rk|gsk|xai|AIza|AKIA|ASIA|hf|r8){KEY_CHARACTERS}{{12,}}")
_BEARER = re.compile(r"(?i:bearer)\s+[\w.~+/=-]{8,}")
# Of a service account, say. Line ends may stand there as JSON has them.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\\\s]*+(?:-----END [A-Z ]{0,30}KEY-----)?"
)
# What stands before an @ is tried once, from its start, and not again from each letter in it.
_EMAIL = re.compile(r"(?<![\w.%+~&'-])[\w.%+~&'-]++@[\w-]++(?:\.[\w-]++)++")
# Groups of three digits or more; not the digits of a fraction. What must not stand before is looked
# at after the first digit, which is several times as fast.
_DIGITS = re.compile(
    r"[0-9](?<![0-9][0-9])(?<![0-9]\.[0-9])[0-9]{2,}+(?:[ \u00a0\u202f-][0-9]{3,}+)*+"
)
_GROUP = re.compile(r"[0-9]+")
_CARD_DIGITS = range(13, 20)
_CARD_START = "23456"
# The digits of twice a digit, added up.
_DOUBLED = str.maketrans("0123456789", "0246813579")
_PHONE = re.compile(
    # With the country's code.
    r"(?<![\w.+])(?:\+|00)[1-9](?:[ ()./\u00a0-]{0,3}[0-9]){7,14}(?![0-9])"
    # As in North America.
    r"|(?<![\w.+-])(?:1[ .-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}"
    r"(?![\w-])"
    # With a 0 before the area's code.
    r"|(?<![\w.+-])\(?0[1-9][0-9]{1,4}\)?[ /-]{1,3}[0-9]{2,8}(?:[ -][0-9]{2,8}){0,4}(?![\w-])"
)
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\.?\w)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{3,39}(?![\w:])")


def without_keys(text: str, mark: str = "[redacted key]") -> str:
    """The text with the mark in place of whatever looks like a key."""
    text = _BEARER.sub(mark, _KEY.sub(mark, text))
    return _PRIVATE_KEY.sub(mark, text) if "-----BEGIN " in text else text


def _emails(text: str) -> str:
    return _EMAIL.sub("[redacted email]", text) if "@" in text else text


def _card_numbers(text: str) -> str:
    return _DIGITS.sub(_without_cards, text)


def _phone_numbers(text: str) -> str:
    return _PHONE.sub("[redacted phone number]", text)


def _ip_addresses(text: str) -> str:
    text = _IPV4.sub(_without_address, text)
    return _IPV6.sub(_without_address, text) if ":" in text else text


BUILT_IN: dict[str, Redact] = {
    # In the order they are applied: each leaves nothing behind that a later one half takes.
    "keys": without_keys,
    "emails": _emails,
    "ip_addresses": _ip_addresses,
    "card_numbers": _card_numbers,
    "phone_numbers": _phone_numbers,
}


class Redactor:
    """Applies a set of rules: the built-in ones in an order of their own, then the operator's."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Raises ValueError where `check_pattern` would, and KeyError for no rule's name."""
        rules = tuple(rules)
        for name in rules:
            if isinstance(name, str) and name not in BUILT_IN:
                raise KeyError(name)
        self._built_in = [redact for name, redact in BUILT_IN.items() if name in rules]
        own = [rule for rule in rules if not isinstance(rule, str)]
        self._own = [
            # As it stands: a backslash in it refers to nothing.
            (check_pattern(rule["pattern"]), rule.get("replacement", MARK).replace("\\", "\\\\"))
            for rule in own
        ]

    def __call__(self, text: str) -> str:
        for redact in self._built_in:
            text = redact(text)
        for pattern, replacement in self._own:
            text = pattern.sub(replacement, text)
        return text


def check_pattern(pattern: str) -> re.Pattern[str]:
    """An operator's regular expression, compiled.

    Raises:
        ValueError: It is none, is too long, or would match where there is nothing.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"is longer than {LONGEST_PATTERN} characters")
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression of Python's: {error}") from None
    if compiled.search(""):
        raise ValueError("matches an empty text, and so would be found everywhere")
    return compiled


def _without_cards(found: re.Match[str]) -> str:
    """The digits without the card numbers among them, each of which is some of the groups."""
    text = found[0]
    groups = [group.span() for group in _GROUP.finditer(text)]
    kept, at, first = "", 0, 0
    while first < len(groups):
        last = _card_end(text, groups, first)
        if last is None:
            first += 1
        else:
            kept += text[at : groups[first][0]] + "[redacted card number]"
            at, first = groups[last][1], last + 1
    return kept + text[at:] if at else text


def _card_end(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card number that begins with the group `first`."""
    if text[groups[first][0]] not in _CARD_START:
        return None
    digits, end = "", None
    for last in range(first, len(groups)):
        start, stop = groups[last]
        if len(digits) + stop - start >= _CARD_DIGITS.stop:
            break
        digits += text[start:stop]
        if len(digits) in _CARD_DIGITS and _luhn(digits):
            end = last
    return end


def _luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812."""
    once, twice = digits[-1::-2], digits[-2::-2].translate(_DOUBLED)
    return (sum(map(int, once)) + sum(map(int, twice))) % 10 == 0


def _without_address(found: re.Match[str]) -> str:
    try:
        ip_address(found[0])
    except ValueError:
        return found[0]
    return "[redacted ip address]"

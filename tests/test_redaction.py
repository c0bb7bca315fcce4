"""What is taken out of text, and that nothing of its kind is left."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.records import CallSettings
from gateway.redaction import BUILT_IN, LONGEST_PATTERN, Redactor, check_pattern

DEFAULT = Redactor(CallSettings().redact_stored_prompts)
ALL = Redactor(BUILT_IN)

KEY, EMAIL, CARD = "[redacted key]", "[redacted email]", "[redacted card number]"
PHONE, ADDRESS = "[redacted phone number]", "[redacted ip address]"

PRIVATE = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq+/=\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("keys", "use sk-proj-AbCdEfGhIjKlMnOp!", f"use {KEY}!"),
        ("keys", "OPENAI_KEY=sk-AbCdEfGhIjKlMnOp", f"OPENAI_KEY={KEY}"),
        ("keys", "密钥sk-AbCdEfGhIjKlMnOp", f"密钥{KEY}"),
        ("keys", "AKIAIOSFODNN7EXAMPLE", KEY),
        ("keys", "Authorization: Bearer eyJhbGciOi.e30.abc", f"Authorization: {KEY}"),
        ("keys", f"a {PRIVATE} b", f"a {KEY} b"),
        ("keys", PRIVATE.replace("\n", "\\n"), KEY),
        ("keys", "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ", KEY),
        ("keys", "-----BEGIN CERTIFICATE-----\nMII", None),
        ("keys", "disk-oriented task-based sk-learn", None),
        ("emails", "to joe.doe+tag@mail.example.co.uk.", f"to {EMAIL}."),
        ("emails", "mailto:jürgen@bücher.example, x", f"mailto:{EMAIL}, x"),
        ("emails", "<a@b.c> a@b@c.d", f"<{EMAIL}> a@{EMAIL}"),
        ("emails", "https://user:secret@host.example/x", f"https://user:{EMAIL}/x"),
        ("emails", "user@localhost @decorator.name", None),
        ("card_numbers", "4111111111111111", CARD),
        ("card_numbers", "4111 1111 1111 1111, 5500-0000-0000-0004", f"{CARD}, {CARD}"),
        ("card_numbers", "3782 822463 10005", CARD),
        ("card_numbers", "4222222222222", CARD),
        ("card_numbers", "6304000000000000000 exactly 19", f"{CARD} exactly 19"),
        ("card_numbers", "4111\u00a01111\u00a01111\u00a01111", CARD),
        ("card_numbers", "no 123 4111 1111 1111 1111 456", f"no 123 {CARD} 456"),
        ("card_numbers", "4111 1111 1111 1111 5500 0000 0000 0004", f"{CARD} {CARD}"),
        # No check digit, a fraction, a moment in ms, too short, too long, not a card's beginning.
        ("card_numbers", "4111111111111112", None),
        ("card_numbers", "0.4111111111111111", None),
        ("card_numbers", "1732448000008", None),
        ("card_numbers", "422222222222", None),
        ("card_numbers", "41111111111111111111", None),
        ("card_numbers", "9111111111111111", None),
        ("phone_numbers", "+49 30 1234567 or 0049301234567", f"{PHONE} or {PHONE}"),
        ("phone_numbers", "(555) 234-5678, 555-234-5678", f"{PHONE}, {PHONE}"),
        ("phone_numbers", "1-555-234-5678", PHONE),
        ("phone_numbers", "030/1234567", PHONE),
        ("phone_numbers", "on 2026-11-24 at 10:30, 1+1, 12345678", None),
        ("ip_addresses", "10.0.0.1:8080 and fe80::1.", f"{ADDRESS}:8080 and {ADDRESS}."),
        ("ip_addresses", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", ADDRESS),
        ("ip_addresses", "v1.2.3.4.5 300.1.1.1 12:30:45 std::vector a:b", None),
    ],
)
def test_a_rule_takes_out_what_it_is_for(rule: str, text: str, expected: str | None) -> None:
    assert Redactor([rule])(text) == (text if expected is None else expected)
    assert Redactor([])(text) == text


def test_rules_do_not_get_in_each_others_way() -> None:
    text = "4111111111111111sk-AbCdEfGhIjKlMnOp joe@x.com +49 30 1234567 10.0.0.1"
    assert ALL(text) == f"{CARD}{KEY} {EMAIL} {PHONE} {ADDRESS}"


def test_an_own_rule_comes_last_and_its_replacement_is_taken_as_it_stands() -> None:
    rules = [{"pattern": r"EMP-(\d+)", "replacement": r"\1 \g<0>"}, {"pattern": "acme|redacted"}]
    redact = Redactor(["emails", *rules])
    assert redact("EMP-12 of acme, a@b.c") == r"\1 \g<0> of [redacted], [[redacted] email]"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "is not a regular expression"),
        ("a*", "matches an empty text"),
        ("", "matches an empty text"),
        ("a" * (LONGEST_PATTERN + 1), "is longer than"),
        ("a{99999999999}", "is not a regular expression"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_pattern(pattern)
    with pytest.raises(ValueError, match=message):
        Redactor([{"pattern": pattern}])


def test_a_rule_that_is_not_known_is_refused() -> None:
    with pytest.raises(KeyError, match="ibans"):
        Redactor(["keys", "ibans"])


def _luhn(digits: str) -> str:
    for check in "0123456789":
        total = 0
        for position, digit in enumerate(reversed(digits + check)):
            value = int(digit) * (2 if position % 2 else 1)
            total += value // 10 + value % 10
        if total % 10 == 0:
            return digits + check
    raise AssertionError


def _grouped(digits: str, separator: str) -> str:
    return separator.join(digits[i : i + 4] for i in range(0, len(digits), 4))


ascii_word = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1)
keys = st.builds(
    lambda prefix, rest: prefix + rest,
    st.sampled_from(["sk-", "sk-ant-api03-", "gsk_", "xai-", "hf_", "r8_", "AIza", "AKIA"]),
    st.text("abcXYZ019-_", min_size=16, max_size=64),
)
emails = st.builds(
    lambda name, host, end: f"{name}@{host}.{end}",
    st.from_regex(r"[a-z0-9](?:[a-z0-9._+-]{0,30}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"[a-z0-9](?:[a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True).filter(
        lambda host: ".." not in host
    ),
    st.sampled_from(["com", "de", "co.uk", "example"]),
)
cards = st.builds(
    lambda start, digits, separator: _grouped(_luhn(start + digits), separator),
    st.sampled_from("23456"),
    st.text("0123456789", min_size=14, max_size=14),
    st.sampled_from(["", " ", "-"]),
)
# What stands around, with a gap that does not make another thing of it.
around = st.text(max_size=20)
gaps = st.sampled_from([" ", ", ", "\n", '"', "(", ")", ": ", "; ", "…\n", "、"])


@given(st.lists(st.tuples(around, gaps, keys | emails | cards, gaps, around), max_size=4))
def test_no_key_email_or_card_survives(parts: list[tuple[str, str, str, str, str]]) -> None:
    shown = DEFAULT("".join(part for parts_ in parts for part in parts_))
    for _, _, secret, _, _ in parts:
        assert secret not in shown
    assert DEFAULT(shown) == shown


@given(st.text() | st.text("0123456789. -@ab:sk\n"))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert DEFAULT(DEFAULT(text)) == DEFAULT(text)
    assert ALL(ALL(text)) == ALL(text)


SIZE = 64 * 1024


@pytest.mark.parametrize(
    "piece",
    [
        *("a", "a.", "@", "a@", "a@b", "a.b-", "1", "1 ", "411 ", "4111 ", "1.", ":", "1:"),
        *("sk ", "sk-", "bearer ", "bearer\n", "-----BEGIN PRIVATE KEY-----"),
        *("+1", "+1(", "(555) ", "0123 12 "),
    ],
)
def test_the_time_is_in_proportion_to_the_text(piece: str) -> None:
    """Whatever it holds: one rule in squares would take minutes here."""
    # Each rule has something to look for.
    text = "@ : -----BEGIN " + piece * (SIZE // len(piece))
    started = time.process_time()
    ALL(text)
    assert time.process_time() - started < 5

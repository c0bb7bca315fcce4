"""What wrk's script wrote: figures of good answers, and no figure of any others."""

from __future__ import annotations

import pytest

from benchmarks.peers.wrk import Load, NoAnswer, WrongAnswers, parse

_SAID = (
    "Running 2s test @ http://127.0.0.1:1/v1/chat/completions\n"
    "RESULT requests={requests} duration=2000000 wrong={wrong} connect=0 read=0 write=0 "
    "timeout={timeout} p50=1500 p99=20000\n"
    "WRONG {example}\n"
)


def said(requests: int = 3000, wrong: int = 0, timeout: int = 0, example: str = "") -> str:
    return _SAID.format(requests=requests, wrong=wrong, timeout=timeout, example=example)


def test_good_answers_make_a_rate() -> None:
    assert parse(said()) == Load(rate=1500, p50=1.5, p99=20)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (said(wrong=1, example="429 slow down"), "3000 answers: wrong 1: 429 slow down"),
        (said(timeout=2), "timeout 2"),
        (said(requests=0, timeout=1), "of 0 answers: timeout 1"),
        ("unable to connect to 127.0.0.1:1 Connection refused", "did not finish: unable"),
    ],
)
def test_one_that_is_not_good_fails_the_load(text: str, match: str) -> None:
    with pytest.raises(WrongAnswers, match=match):
        parse(text)


def test_no_answer_is_told_from_wrong_ones() -> None:
    with pytest.raises(NoAnswer, match="no answer"):
        parse(said(requests=0))

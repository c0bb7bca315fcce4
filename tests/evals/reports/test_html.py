"""The page: self-contained, inert whatever models say, bounded, and with failures first."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.evals.records import Case, Gate, RunWithItems, Score
from gateway.evals.reports.html import MOST_FAILURES, MOST_TEXT, html_page
from gateway.evals.reports.report import report_of
from tests.evals.runs import dataset, evaluation, evaluator


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.ends: list[str] = []
        self._text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.ends.append(tag)

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [dict(attributes) for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self._text).split())


def page(made: RunWithItems, base: RunWithItems | None = None) -> Page:
    return Page(html_page(report_of(made, base)))


def full_of(text: str) -> str:
    """A page that has the text wherever a model or a dataset could have put it."""
    named = text or "?"
    answers = [False, None, "no grade", True]
    made = evaluation(
        {named: answers, f"{named}2": answers},
        of=[Case(f"{text}{n}", text, text, (text,), {text: text}) for n in range(3)]
        + [Case(f"{text}3", ({"role": text, "content": text},), {text: text})],
        evaluators=[evaluator(named, judge=named), evaluator(f"{named}2")],
        gate=Gate(pass_rate=0.9, no_regression_vs="baseline"),
        name=text,
        id=text,
        error=text,
    )
    items = [
        replace(
            item,
            output=text,
            tool_calls=({text: text},),
            error=item.error and text,
            scores=tuple(
                replace(score, reason=text, error=score.error and named) for score in item.scores
            ),
        )
        for item in made.items
    ]
    made = RunWithItems(replace(made.run, dataset=replace(made.run.dataset, name=text)), items)
    better = [
        replace(item, scores=(Score(named, 1, True), Score(f"{named}2", 1, True)), error=None)
        for item in items
    ]
    base = RunWithItems(replace(made.run, id=text + "base"), better)
    return html_page(report_of(made, base))


@pytest.mark.parametrize(
    "payload",
    [
        "<script>alert(1)</script>",
        "\"'><img src=x onerror=alert(1)>",
        "</pre></details></style><svg onload=alert(1)>",
        "javascript:alert(1)",
        "{{ 7 * 7 }}{% raw %}",
        "<!-- --><iframe srcdoc='<script>alert(1)</script>'>",
        "&lt;b&gt; &#60;b&#62;",
        "\u202e",
    ],
)
def test_what_models_say_is_text_and_nothing_else(payload: str) -> None:
    harmless, found = Page(full_of("harmless")), Page(full_of(payload))
    assert found.tags == harmless.tags
    assert found.ends == harmless.ends
    assert found.text.count(payload) == harmless.text.count("harmless") > 50


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=25)
def test_no_text_changes_the_page_around_it(text: str) -> None:
    found = full_of(text)
    found.encode()
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", found)
    assert Page(found).ends == Page(full_of("harmless")).ends


def test_nothing_is_fetched_and_nothing_runs() -> None:
    text = full_of("harmless")
    found = Page(text)
    assert found.named("meta")[1] == {
        "http-equiv": "Content-Security-Policy",
        "content": "default-src 'none'; style-src 'unsafe-inline'",
    }
    assert not {"script", "link", "img", "iframe", "object", "form"} & {
        tag for tag, _ in found.tags
    }
    attributes = [pair for _, each in found.tags for pair in each]
    assert not [
        name for name, _ in attributes if name.startswith("on") or name in ("src", "srcset")
    ]
    assert all((value or "").startswith("#") for name, value in attributes if name == "href")
    assert "url(" not in text
    assert "@import" not in text


def test_links_lead_to_sections_and_ids_are_unique() -> None:
    found = Page(full_of("harmless"))
    ids = [value for _, each in found.tags for name, value in each if name == "id"]
    assert len(ids) == len(set(ids))
    assert {(each["href"] or "")[1:] for each in found.named("a")} == set(ids)
    assert {each["aria-labelledby"] for each in found.named("section")} <= set(ids)


def test_light_and_dark_have_the_same_colours() -> None:
    light, dark = re.findall(r":root \{([^}]*)\}", html_page(report_of(evaluation({"a": [True]}))))
    names = re.compile(r"--[\w-]+(?=:)")
    assert names.findall(light) == names.findall(dark)


def test_what_a_run_came_to_is_told() -> None:
    made = evaluation(
        {"gpt": [True] * 3 + [False], "llama": [True] * 4},
        gate=Gate(pass_rate=0.9),
        item={"judge_cost": 1_000_000, "judge_tokens": 1234, "prompt_tokens": 1000},
    )
    words = page(made).words
    for part in (
        "Gate failed: 1 of 4 checks",
        "Calls 8 of 8",
        "Cost $0.016, $0.0080 of it for judges",
        "Took 60 s",
        "Results rest on as few as 4 cases.",
        "75.0 % of 4 cases passed, 90.0 % are wanted.",
        "gpt exact 75.0 % 30.1 to 95.4 % 0.750",
        "1 answers failed, 0 could not be got or evaluated.",
        "gpt 4 0 100 ms 100 ms 4,000 0 $0.0040 0 4,936 $0.0040",
        "A gpt 75.0 % $1.00",
        "B llama 100.0 % $1.00",
    ):
        assert part in words


def test_verdicts() -> None:
    assert "No gate" in page(evaluation({"gpt": [True]})).words
    passed = page(evaluation({"gpt": [True]}, gate=Gate(pass_rate=0.5))).words
    assert "✓ Gate passed" in passed
    assert "No answer failed, and each was evaluated." in passed
    assert "3 checks passed" in passed


def test_failures_that_are_new_come_first_then_others_then_errors() -> None:
    base = evaluation({"gpt": [False, True, True, True, True]}, id="run_base")
    found = page(evaluation({"gpt": [False, None, "no grade", False, True]}), base)
    summaries = re.findall(r"(Failed|Error) (case-\d)", found.words)
    assert summaries == [
        ("Failed", "case-3"),
        ("Failed", "case-0"),
        ("Error", "case-1"),
        ("Error", "case-2"),
    ]
    assert found.words.count("· exact regressed") == 1
    assert "2 answers failed, 2 could not be got or evaluated." in found.words
    assert "could not evaluate: no grade" in found.words
    assert "The call failed upstream said 500" in found.words


def test_regressions_are_told() -> None:
    base = evaluation({"gpt": [True] * 40}, id="run_base")
    words = page(evaluation({"gpt": [False] * 12 + [True] * 28}), base).words
    assert "Changes since run_base" in words
    change = "gpt exact worse \u221230.0 \u221243.7 to \u221213.4 0 12 28 0 < 0.001"
    assert change in words
    assert "12 cases of gpt regressed by exact case-0 , case-1 ," in words


def test_a_run_that_has_not_begun_has_a_page() -> None:
    made = evaluation({"gpt": [True]}, status="pending", started_at=None, ended_at=None)
    words = page(RunWithItems(made.run, [])).words
    for part in ("There is no verdict.", "There is no answer.", "Started not yet", "Took –"):
        assert part in words
    assert "No answer failed" not in words


def test_a_dataset_without_cases_has_a_page() -> None:
    made = evaluation({"gpt": []}, dataset=dataset([]), gate=Gate(pass_rate=0.5))
    assert "Gate failed" in page(made).words


def test_the_page_is_bounded() -> None:
    long = "é" * 60_000
    made = evaluation({"gpt": [False] * (MOST_FAILURES + 7)}, item={"tool_calls": ({"a": long},)})
    items = [
        replace(item, output=long, scores=(Score("exact", 0, False, long),)) for item in made.items
    ]
    text = html_page(report_of(RunWithItems(made.run, items)))
    assert len(text) < MOST_FAILURES * 8_000
    assert text.count("<details") == MOST_FAILURES + 1
    assert "7 more are not shown here." in text
    assert f"({len(long) - MOST_TEXT:,} more characters)" in text

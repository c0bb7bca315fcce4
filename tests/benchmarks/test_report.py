"""The page and the plot, of measurements as they are kept."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from benchmarks.peers.figures import Spread
from benchmarks.peers.plot import Bar, plot, svg
from benchmarks.peers.report import report


def rate(server: str, mode: str, number: int, of: float) -> dict[str, Any]:
    figures = {"rate": of, "p50": 2.0, "p99": 9.0}
    return {"server": server, "mode": mode, "connections": 16, "round": number, **figures}


def paced(server: str, first: float, **other: Any) -> dict[str, Any]:
    figures = {"first": [first, 2 * first], "delay": [0.5, 1.0], "total": 20.0, "late": 0}
    cpu = {"cpu": 0.1, "upstream_cpu": 0.1}
    return {"server": server, "streams": 200, "round": 0, **figures, **cpu, **other}


def measured(**parts: Any) -> dict[str, Any]:
    options = {"streams": [200], "tokens": 1000, "pace": 50.0}
    about = {"about": {"date": "2026-01-01"}, "versions": {"wrk": "4.1"}, "options": options}
    return {**about, "loads": [], "paced": [], **parts}


def row(page: str, section: str, title: str) -> list[str]:
    """The cells after the title, of the first such row below a heading."""
    lines = page.partition(section)[2].splitlines()
    found = next(line for line in lines if line.startswith(f"| {title} |"))
    return [cell.strip() for cell in found.strip("|").split("|")][1:]


def test_rates_are_medians_with_their_spreads() -> None:
    loads = [rate("ferro", "plain", number, of) for number, of in enumerate([4000, 5000, 4500])]
    page = report(measured(loads=loads))
    assert "median of 3 round(s)" in page
    assert row(page, "## Answers a second", "Ferro") == ["4,500 (4,000–5,000)"]


def test_ratios_are_of_the_same_round() -> None:
    loads = [
        rate("direct", "plain", 0, 2000),
        rate("litellm_proxy", "plain", 0, 100),
        rate("direct", "plain", 1, 200),
        rate("litellm_proxy", "plain", 1, 10),
    ]
    assert row(report(measured(loads=loads)), "as a multiple of", "LiteLLM's proxy") == ["20.0"]


def test_what_failed_is_said_and_has_no_figure() -> None:
    failed = {"server": "portkey", "mode": "streamed", "round": 0, "failed": "the first\nwas 500"}
    page = report(measured(loads=[rate("direct", "streamed", 0, 9.0), failed]))
    assert row(page, "## Answers a second", "Portkey's gateway") == ["failed"]
    assert "- Portkey's gateway, streamed, round 1: `the first was 500`" in page


def test_paced_rows_are_what_is_added_to_the_upstream_alone() -> None:
    rows = [paced("straight", 0.5), paced("direct", 2.5, server_cpu=0.4, total=20.25)]
    page = report(measured(paced=rows))
    section = "## Added to streams"
    straight = row(page, section, "*straight at the upstream*")
    assert straight == ["0.500", "1.00", "0.500", "1.00", "20.0", "–", "0.200"]
    added = row(page, section, "**this gateway, direct lane**")
    assert added == ["2.00", "4.00", "0.00", "0.00", "0.250", "0.400", "0.200"]


def test_a_server_that_cannot_keep_pace_has_no_figures() -> None:
    late = paced("litellm", 900.0, server_cpu=1.0, late=195, calls=249, total=None)
    rows = [paced("straight", 0.5), late]
    added = row(report(measured(paced=rows)), "## Added", "**this gateway, litellm lane**")
    assert added[0] == "cannot: 195 of 249 calls had not ended after twice their time"
    assert added[1:5] == ["–"] * 4
    assert added[5] == "1.00"


def test_bars_are_to_scale_and_their_lines_from_end_to_end() -> None:
    bars = [Bar("a & b", Spread(100, 50, 200)), Bar("ours", Spread(50, 50, 50), marked=True)]
    drawn = ElementTree.fromstring(svg([("Rates", bars)]))
    space = {"svg": "http://www.w3.org/2000/svg"}
    first, second = drawn.findall("svg:rect", space)
    assert float(first.attrib["width"]) == 2 * float(second.attrib["width"])
    assert second.attrib["class"] == "bar ours"
    start = float(first.attrib["x"])
    line = drawn.findall("svg:path", space)[0].attrib["d"]
    low, high = float(line[1:].split()[0]), float(line.split("H")[1].split("M")[0])
    assert (low - start) * 4 == high - start
    assert "a & b" in [text.text for text in drawn.findall("svg:text", space)]


def test_a_plot_has_a_panel_for_each_mode_that_was_measured() -> None:
    loads = [rate("direct", "plain", 0, 2000), rate("ferro", "plain", 0, 4000)]
    assert "plain, 16 connections" in plot(measured(loads=loads))
    assert "streamed" not in plot(measured(loads=loads))
    assert (
        ElementTree.fromstring(plot(measured())).findall("{http://www.w3.org/2000/svg}rect") == []
    )

"""A plot of the rates: bars of medians, lines from the smallest to the largest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from benchmarks.peers.figures import Spread, shown, spread
from benchmarks.peers.report import by_round, cells
from benchmarks.peers.servers import SERVERS

_WIDTH, _LEFT, _RIGHT, _ROW, _BAR, _TOP = 860, 200, 90, 26, 16, 52
_MARKED = ("direct", "litellm")
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.bar { fill: #8c959f; }
.ours { fill: #0969da; }
.error { stroke: #1f2328; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.bar { fill: #6e7681; }
.ours { fill: #4493f8; }
.error { stroke: #e6edf3; }
}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: Spread
    marked: bool = False


def plot(results: dict[str, Any]) -> str:
    """An SVG: a panel for each mode, at the middle one of the counts of connections."""
    counts = sorted({count for _, count in cells(results)})
    panels: list[tuple[str, list[Bar]]] = []
    for mode in ("plain", "streamed"):
        if counts:
            count = counts[len(counts) // 2]
            title = f"Answers a second, {mode}, {count} connections"
            panels.append((title, list(_bars(results, (mode, count)))))
    return svg([(title, bars) for title, bars in panels if bars])


def _bars(results: dict[str, Any], cell: tuple[str, int]) -> Iterator[Bar]:
    for server in SERVERS:
        found = spread(list(by_round(results, server.name, "rate", cell).values()))
        if found:
            yield Bar(server.title.strip("*").replace("`", ""), found, server.name in _MARKED)


def svg(panels: list[tuple[str, list[Bar]]]) -> str:
    """Panels one below the other, each to a scale of its own that starts at zero."""
    parts: list[str] = []
    top = 0
    for title, bars in panels:
        parts.extend(_panel(title, bars, top))
        top += _TOP + _ROW * len(bars)
    height = top + 16
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>", ""])


def _panel(title: str, bars: list[Bar], top: int) -> Iterator[str]:
    scale = (_WIDTH - _LEFT - _RIGHT) / max(bar.value.high for bar in bars)
    yield f'<text class="title" x="8" y="{top + 30}">{escape(title)}</text>'
    for number, bar in enumerate(bars):
        y = top + _TOP + number * _ROW
        middle = y + _BAR / 2
        end = _LEFT + bar.value.high * scale
        low = _LEFT + bar.value.low * scale
        kind = "bar ours" if bar.marked else "bar"
        yield f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(bar.label)}</text>'
        yield (
            f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{bar.value.median * scale:.1f}" '
            f'height="{_BAR}" rx="2"/>'
        )
        yield (
            f'<path class="error" d="M{low:.1f} {middle}H{end:.1f}M{low:.1f} {y + 4}v8'
            f'M{end:.1f} {y + 4}v8"/>'
        )
        yield f'<text x="{end + 8:.1f}" y="{y + 13}">{shown(bar.value.median)}</text>'

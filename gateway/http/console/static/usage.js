// Charts of the usage. What they show is read out of the table below them.
"use strict";

const area = document.querySelector("[data-charts]");
if (area) {
  const table = document.getElementById(area.dataset.charts);
  // Newest first, as people read it.
  const rows = [...table.tBodies[0].rows].reverse();
  const byDay = table.dataset.unit === "day";
  const step = byDay ? 86400 : 3600;
  const at = rows.map((row) => Number(row.dataset.at));
  const read = (name) =>
    rows.map((row) => {
      const { value } = row.querySelector(`[data-name=${name}]`).dataset;
      return value === "" ? null : Number(value);
    });
  const sum = (one, other) => one.map((value, index) => value + other[index]);

  const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
  const whole = new Intl.NumberFormat();
  const count = (value) => (value === null ? "–" : whole.format(value));
  const money = (value) => {
    if (value === null) return "–";
    const places = value ? Math.min(9, Math.max(2, 1 - Math.floor(Math.log10(value)))) : 2;
    return `$${value.toLocaleString(undefined, { minimumFractionDigits: places, maximumFractionDigits: places })}`;
  };
  const ms = (value) => {
    if (value === null) return "–";
    return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`;
  };
  const seconds = (value) => (value < 1000 ? `${value} ms` : `${value / 1000} s`);
  const zone = byDay ? { timeZone: "UTC" } : { hour: "2-digit", minute: "2-digit" };
  const moment = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", ...zone });

  const share = (part, all) => (all ? ` (${((100 * part) / all).toFixed(1)}%)` : "");

  // A series is drawn over those before it: what is a part of another comes after it.
  const errors = read("errors");
  const requests = read("requests");
  const tokensIn = read("prompt_tokens");
  const tokensOut = read("completion_tokens");
  const charts = {
    cost: { bars: true, tick: money, series: [["Spend", "--plot-1", read("cost"), money]] },
    requests: {
      bars: true,
      tick: (value) => compact.format(value),
      series: [
        ["Requests", "--plot-1", requests, count],
        ["Errors", "--plot-bad", errors, (value, index) => count(value) + share(value, requests[index])],
      ],
    },
    tokens: {
      bars: true,
      tick: (value) => compact.format(value),
      series: [
        ["Out", "--plot-2", sum(tokensIn, tokensOut), (_, index) => count(tokensOut[index])],
        ["In", "--plot-1", tokensIn, count],
      ],
    },
    latency: {
      tick: seconds,
      series: [
        ["p95", "--plot-2", read("latency_p95_ms"), ms],
        ["p50", "--plot-1", read("latency_p50_ms"), ms],
      ],
    },
    first_token: {
      tick: seconds,
      series: [
        ["p95", "--plot-2", read("first_token_p95_ms"), ms],
        ["p50", "--plot-1", read("first_token_p50_ms"), ms],
      ],
    },
  };

  // A line has two ends: what has no neighbour shows as a point.
  const alone = (plot, series) => {
    const values = plot.data[series];
    const isThere = (index) => typeof values[index] === "number";
    return [...values.keys()].filter((i) => isThere(i) && !isThere(i - 1) && !isThere(i + 1));
  };

  function options(chart, width) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = {
      font,
      stroke: colour("--soft"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    return {
      width,
      height: 190,
      cursor: { sync: { key: "usage" }, drag: { x: false, y: false }, y: false },
      // Days are whole ones in UTC; hours are shown in the reader's zone.
      tzDate: (value) => (byDay ? uPlot.tzDate(new Date(value * 1e3), "Etc/UTC") : new Date(value * 1e3)),
      scales: {
        x: { range: () => [at[0], at.at(-1) + step] },
        y: { range: (_, least, most) => [0, most > 0 ? most * 1.1 : 1] },
      },
      axes: [
        { ...axis, grid: { show: false } },
        { ...axis, size: 64, values: (_, ticks) => ticks.map(chart.tick) },
      ],
      series: [
        { value: (_, value) => (value === null ? "" : moment.format(value * 1e3)) },
        ...chart.series.map(([label, name, , shown]) => ({
          label,
          stroke: colour(name),
          fill: chart.bars ? colour(name) : undefined,
          width: chart.bars ? 0 : 2,
          paths: chart.bars ? uPlot.paths.bars({ size: [0.8, 40], align: 1 }) : undefined,
          points: { show: !chart.bars, size: 5, fill: colour(name), filter: alone },
          value: (_, value, __, index) => (index === null ? "" : shown(value, index)),
        })),
      ],
    };
  }

  const drawn = new Map();
  function draw(plot) {
    drawn.get(plot)?.destroy();
    const chart = charts[plot.dataset.chart];
    const data = [at, ...chart.series.map(([, , values]) => values)];
    const made = new uPlot(options(chart, plot.clientWidth), data, plot);
    // As the table's link: the requests of that time.
    made.over.addEventListener("click", () => {
      if (made.cursor.idx !== null) location.assign(rows[made.cursor.idx].querySelector("a").href);
    });
    drawn.set(plot, made);
  }

  area.hidden = false;
  const plots = [...area.querySelectorAll("[data-chart]")];
  const shown = plots.filter((plot) => {
    // Where nothing was streamed, or no latency is kept, an empty frame tells less than none.
    const some = charts[plot.dataset.chart].series.some(([, , values]) => values.some((value) => value));
    plot.parentElement.hidden = !some;
    return some;
  });
  shown.forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown.forEach(draw));
  new ResizeObserver(() => {
    for (const plot of shown) drawn.get(plot).setSize({ width: plot.clientWidth, height: 190 });
  }).observe(area);
}

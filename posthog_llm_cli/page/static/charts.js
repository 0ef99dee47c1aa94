// The figures as plots (Chart.js). A plot is drawn again when the theme changes; a click on a bar asks for its traces.
import { byId } from "./dom.js";
import { usd, duration, whole, short } from "./numbers.js";
import { page } from "./rows.js";

let drawn = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function drawCharts() {
  drawn.forEach((chart) => chart.destroy());
  const plots = { timeline, spending, latency, kinds };
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 12;
  Chart.defaults.color = colour("--dim");
  Chart.defaults.borderColor = colour("--line");
  Chart.defaults.animation = false;
  drawn = Object.entries(plots).filter(([name]) => byId(`plot-${name}`) !== null)
    .map(([name, plot]) => new Chart(byId(`plot-${name}`), plot(page.charts[name])));
}

function options({ isLying = false, isStacked = false, value = whole, pick = null, legend = true }) {
  const values = {
    stacked: isStacked, beginAtZero: true, border: { display: false },
    grid: { color: colour("--line") }, ticks: { callback: (number) => value(number), maxTicksLimit: 6, precision: value === whole ? 0 : undefined },
  };
  const names = { stacked: isStacked, border: { display: false }, grid: { display: false }, ticks: { maxRotation: 0, autoSkip: !isLying, autoSkipPadding: 16 } };
  if (isLying) names.ticks.callback = function (_, place) { return shortened(this.getLabelForValue(place)); };
  return {
    indexAxis: isLying ? "y" : "x",
    responsive: true,
    maintainAspectRatio: false,
    interaction: { mode: "index", axis: isLying ? "y" : "x", intersect: false },
    scales: isLying ? { x: values, y: names } : { x: names, y: values },
    onClick: pick === null ? null : (event, elements) => { if (elements.length > 0) pick(elements[0].index); },
    onHover: (event, elements) => { event.native.target.style.cursor = pick !== null && elements.length > 0 ? "pointer" : ""; },
    plugins: {
      legend: { display: legend, align: "end", labels: { boxWidth: 10, boxHeight: 10, usePointStyle: true, pointStyle: "rectRounded" } },
      tooltip: {
        backgroundColor: colour("--tip"), titleColor: colour("--tip-text"), bodyColor: colour("--tip-text"), padding: 10, cornerRadius: 6,
        callbacks: { label: (item) => ` ${item.dataset.label}: ${value(isLying ? item.parsed.x : item.parsed.y)}` },
      },
    },
  };
}

function shortened(text) {
  const most = innerWidth < 600 ? 18 : 26;
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function bars(label, data, name, extra = {}) {
  return { label, data, backgroundColor: colour(name), hoverBackgroundColor: colour(name), borderRadius: 3, maxBarThickness: 26, categoryPercentage: 0.8, barPercentage: 0.9, ...extra };
}

function byModel(models, sort) {
  return (place) => {
    if (models[place].filter !== null) location.hash = `#/traces?model=${encodeURIComponent(models[place].filter)}&sort=${sort}`;
  };
}

function timeline(data) {
  const rest = data.calls.map((calls, place) => calls - data.errors[place]);
  return {
    type: "bar",
    data: { labels: data.labels, datasets: [bars("succeeded", rest, "--plot-1", { borderRadius: 0 }), bars("failed", data.errors, "--bad", { borderRadius: 0 })] },
    options: options({ isStacked: true }),
  };
}

function spending(data) {
  if (data.isCost) {
    return { type: "bar", data: { labels: data.models.map((model) => model.name), datasets: [bars("cost as logged", data.models.map((model) => model.cost_usd), "--plot-1")] },
      options: options({ isLying: true, value: usd, pick: byModel(data.models, "cost"), legend: false }) };
  }
  return { type: "bar", data: { labels: data.models.map((model) => model.name),
    datasets: [bars("input tokens", data.models.map((model) => model.input_tokens), "--plot-1"), bars("output tokens", data.models.map((model) => model.output_tokens), "--plot-2")] },
  options: options({ isLying: true, isStacked: true, value: short, pick: byModel(data.models, "tokens") }) };
}

function latency(data) {
  return { type: "bar", data: { labels: data.map((model) => model.name),
    datasets: [bars("p50", data.map((model) => model.p50_s), "--plot-1"), bars("p95", data.map((model) => model.p95_s), "--plot-3")] },
  options: options({ isLying: true, value: duration, pick: byModel(data, "latency") }) };
}

function kinds(data) {
  return { type: "bar", data: { labels: data.map((kind) => kind.name), datasets: [bars("failed calls", data.map((kind) => kind.calls), "--bad")] },
    options: options({ isLying: true, legend: false, pick: (place) => { if (data[place].filter !== null) location.hash = `#/traces?error=${encodeURIComponent(data[place].filter)}`; } }) };
}

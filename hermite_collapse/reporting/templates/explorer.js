"use strict";
// Closed forms of the limit law of recursive training, for the sliders of a report.
//   attenuation   g_n = alpha / (alpha + expm1(n theta t))
//   contraction   (1 - alpha) in total variation, sqrt(1 - alpha) exp(-theta t) in Wasserstein-2
// The density is that of a one-dimensional Gaussian mixture under ages k = 1, 2, ... of weight
// alpha (1 - alpha)^(k-1); ages beyond the first 256 are taken in groups of up to 5 % of their size.
(function () {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const rate = data.rate;
  const alphaSlider = document.getElementById("fresh-fraction");
  const timeSlider = document.getElementById("truncation-time");

  function attenuation(degree, alpha, time) {
    const growth = Math.expm1(degree * rate * time);
    return growth > 0 ? (Number.isFinite(growth) ? alpha / (alpha + growth) : 0) : 1;
  }
  function halfDegree(alpha, time) {
    return time > 0 ? Math.log1p(alpha) / (rate * time) : Infinity;
  }
  function ages(alpha, time) {
    if (time === 0) return [[1, 1]];
    if (alpha === 0) return [[1, 0]];
    if (alpha === 1) return [[1, Math.exp(-rate * time)]];
    const keep = Math.log1p(-alpha), list = [];
    let first = 1;
    while (first * -keep < 18 && list.length < 2000) {
      const size = first <= 256 ? 1 : Math.ceil(0.05 * first);
      const weight = Math.exp((first - 1) * keep) * -Math.expm1(size * keep);
      list.push([weight, Math.exp(-(first + (size - 1) / 2) * rate * time)]);
      if ((first + size) * rate * time > 40) {
        list.push([Math.exp((first + size - 1) * keep), 0]);
        return list;
      }
      first += size;
    }
    return list;
  }
  function mixtureDensity(x, weights, means, variances, scale) {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) {
      const variance = scale * scale * variances[k] + (1 - scale) * (1 + scale);
      const gap = x - scale * means[k];
      sum += weights[k] * Math.exp(-0.5 * gap * gap / variance) / Math.sqrt(2 * Math.PI * variance);
    }
    return sum;
  }
  function written(value, digits) {
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "–";
    if (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-4)) {
      const parts = value.toExponential(digits - 1).split("e");
      const raised = String(Number(parts[1])).replace(/[-0-9]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
      return parts[0] + " × 10" + raised;
    }
    return String(Number(value.toPrecision(digits))).replace("-", "−");
  }
  function show(id, value, text) {
    const element = document.getElementById(id);
    element.textContent = text;
    element.dataset.value = String(value);
  }

  // Small plots: a line or a filled shape over axes, drawn at the width of the page so that texts keep their size.
  function plot(id, wide, range, layers, labels) {
    const holder = document.getElementById(id);
    if (!holder) return;
    const width = Math.max(280, holder.clientWidth), height = Math.round(Math.min(340, Math.max(200, wide * width)));
    const left = 42, right = 12, top = 12, bottom = 40;
    const sx = (x) => left + (x - range.x[0]) / (range.x[1] - range.x[0]) * (width - left - right);
    const sy = (y) => height - bottom - (y - range.y[0]) / (range.y[1] - range.y[0]) * (height - top - bottom);
    const path = (points) => points.map((p, i) => (i ? "L" : "M") + sx(p[0]).toFixed(2) + " " + sy(p[1]).toFixed(2)).join("");
    const parts = ['<svg viewBox="0 0 ' + width + " " + height + '" width="' + width + '" height="' + height +
      '" role="img" aria-label="' + labels.title + '" font-size="13">'];
    for (const tick of range.yticks) {
      parts.push('<line x1="' + left + '" x2="' + (width - right) + '" y1="' + sy(tick) + '" y2="' + sy(tick) + '" style="stroke:var(--rule);stroke-width:0.7"/>');
      parts.push('<text x="' + (left - 7) + '" y="' + (sy(tick) + 4) + '" text-anchor="end" style="fill:var(--muted)">' + written(tick, 3) + "</text>");
    }
    for (const tick of range.xticks) {
      parts.push('<text x="' + sx(tick) + '" y="' + (height - bottom + 18) + '" text-anchor="middle" style="fill:var(--muted)">' + written(tick, 3) + "</text>");
    }
    parts.push('<text x="' + (left + (width - left - right) / 2) + '" y="' + (height - 5) + '" text-anchor="middle" style="fill:var(--ink)">' + labels.x + "</text>");
    for (const layer of layers) {
      const line = path(layer.points);
      if (layer.fill) {
        const ends = layer.points, close = "L" + sx(ends[ends.length - 1][0]) + " " + sy(0) + "L" + sx(ends[0][0]) + " " + sy(0) + "Z";
        parts.push('<path d="' + line + close + '" style="fill:var(' + layer.colour + ');opacity:0.3;stroke:none"/>');
      } else {
        parts.push('<path d="' + line + '" style="fill:none;stroke:var(' + layer.colour + ");stroke-width:" + layer.width +
          (layer.dash ? ";stroke-dasharray:" + layer.dash : "") + ";opacity:" + (layer.opacity || 1) + '"/>');
      }
    }
    parts.push('<line x1="' + left + '" x2="' + (width - right) + '" y1="' + sy(range.y[0]) + '" y2="' + sy(range.y[0]) + '" style="stroke:var(--muted);stroke-width:0.9"/></svg>');
    holder.innerHTML = parts.join("");
  }
  function ticks(low, high, wanted) {
    const rough = (high - low) / wanted, unit = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= rough * 0.999);
    const list = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9 * step; v += step) list.push(Math.abs(v) < 1e-12 ? 0 : v);
    return list;
  }

  function drawAttenuation(alpha, time) {
    const top = data.highest_degree, curve = [], reference = [];
    for (let j = 0; j <= 240; j++) {
      const degree = top * j / 240;
      curve.push([degree, attenuation(degree, alpha, time)]);
      reference.push([degree, attenuation(degree, data.fresh_fraction, data.truncation_time)]);
    }
    const half = halfDegree(alpha, time), layers = [{points: reference, colour: "--limit", width: 1.2, opacity: 0.35}];
    if (half < top) layers.push({points: [[0, 0.5], [half, 0.5], [half, 0]], colour: "--muted", width: 1, dash: "2 3"});
    layers.push({points: curve, colour: "--limit", width: 2.2});
    plot("plot-attenuation", 0.42, {x: [0, top], y: [0, 1.02], xticks: ticks(0, top, 8), yticks: [0, 0.25, 0.5, 0.75, 1]},
      layers, {title: "Share of each Hermite mode kept in the limit", x: "Hermite degree"});
  }
  function drawDensity(alpha, time) {
    if (!data.law) return;
    const law = data.law, list = ages(alpha, time), before = [], after = [], low = law.range[0], high = law.range[1];
    let peak = 0;
    for (let j = 0; j <= 240; j++) {
      const x = low + (high - low) * j / 240;
      let p = 0;
      for (const age of list) p += age[0] * mixtureDensity(x, law.weights, law.means, law.variances, age[1]);
      after.push([x, p]);
      before.push([x, mixtureDensity(x, law.weights, law.means, law.variances, 1)]);
      peak = Math.max(peak, p, before[j][1]);
    }
    document.getElementById("plot-density").dataset.centre = String(after[120][1]);
    plot("plot-density", 0.42, {x: [low, high], y: [0, 1.06 * peak], xticks: ticks(low, high, 6), yticks: ticks(0, peak, 5)},
      [{points: before, colour: "--data", fill: true}, {points: after, colour: "--limit", width: 2.2}],
      {title: "Density of the data and of the limit law", x: "x"});
  }
  function fillTable(alpha, time) {
    const degrees = [1, 2, 3, 4, 6, 8, 12, 16];
    const table = document.getElementById("explore-table");
    table.tHead.rows[0].innerHTML = "<th>degree</th>" + degrees.map((n) => "<th>" + n + "</th>").join("");
    table.tBodies[0].rows[0].innerHTML = "<td>kept</td>" + degrees.map((n) => {
      const g = attenuation(n, alpha, time);
      return '<td data-value="' + g + '">' + written(g, 3) + "</td>";
    }).join("");
  }
  function update() {
    const alpha = state.alpha, time = state.time;
    show("fresh-fraction-value", alpha, written(alpha, 3));
    show("truncation-time-value", time, written(time, 3));
    const half = halfDegree(alpha, time), lambda = time > 0 ? alpha / (rate * time) : Infinity;
    const variation = 1 - alpha, wasserstein = Math.sqrt(1 - alpha) * Math.exp(-rate * time);
    const best = Math.min(variation, wasserstein);
    const rounds = best >= 1 ? Infinity : (best > 0 ? Math.max(1, Math.ceil(Math.log(0.01) / Math.log(best))) : 1);
    show("reading-half", half, written(half, 3));
    show("reading-lambda", lambda, written(lambda, 3));
    show("reading-wasserstein", wasserstein, written(wasserstein, 3));
    show("reading-variation", variation, written(variation, 3));
    show("reading-rounds", rounds, written(rounds, 4));
    drawAttenuation(alpha, time);
    drawDensity(alpha, time);
    fillTable(alpha, time);
  }

  const state = {alpha: data.fresh_fraction, time: data.truncation_time};
  function setFromFragment() {
    const given = new URLSearchParams(location.hash.slice(1));
    const alpha = Number(given.get("fresh_fraction")), time = Number(given.get("truncation_time"));
    if (given.has("fresh_fraction") && alpha >= 0 && alpha <= 1) state.alpha = alpha;
    if (given.has("truncation_time") && time >= 0 && Number.isFinite(time)) state.time = time;
    alphaSlider.value = String(state.alpha);
    timeSlider.value = String(state.time > 0 ? Math.log10(state.time) : -3);
  }
  alphaSlider.addEventListener("input", () => { state.alpha = Number(alphaSlider.value); update(); });
  timeSlider.addEventListener("input", () => { state.time = Math.pow(10, Number(timeSlider.value)); update(); });
  window.addEventListener("hashchange", () => { setFromFragment(); update(); });
  let waiting = 0;
  window.addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(update); });
  setFromFragment();
  update();
})();

// Score against cost, with the Pareto front: rows that nothing cheaper beats.
"use strict";
nver.cost = (place, filters) => {
  const costs = { trained: ["weights trained", nver.count], frozen: ["weights frozen", nver.count], seconds: ["seconds per clip", nver.seconds] };
  const metrics = { macro_f1: "macro-F1", accuracy: "accuracy" };
  const SHAPES = ["M0-4.5A4.5 4.5 0 1 1 0 4.5A4.5 4.5 0 1 1 0-4.5", "M-4-4H4V4H-4Z", "M0-5.4L5 4H-5Z", "M0-5.6L5.6 0 0 5.6-5.6 0Z", "M-5-2H-2V-5H2V-2H5V2H2V5H-2V2H-5Z"];

  const front = (rows, cost, metric) => {
    const found = [];
    for (const row of [...rows].sort((a, b) => a[cost] - b[cost] || b[metric][0] - a[metric][0])) if (!found.length || row[metric][0] > found[found.length - 1][metric][0]) found.push(row);
    return found;
  };
  const plot = (rows, best, cost, metric, kinds, chance) => {
    const [width, height, left, right, top, bottom] = [920, 460, 56, 150, 16, 52];
    const costsOf = rows.map((r) => r[cost]);
    let [low, high] = [Math.min(...costsOf), Math.max(...costsOf)];
    if (low === high) [low, high] = [low / 2, high * 2];
    [low, high] = [low / 1.3, high * 1.3];
    const roof = Math.min(1, Math.ceil(20 * Math.max(...rows.map((r) => r[metric][0]))) / 20 + 0.02);
    const x = (value) => left + (Math.log(value / low) / Math.log(high / low)) * (width - left - right);
    const y = (value) => height - bottom - (value / roof) * (height - top - bottom);
    const marks = nver.powers(low, high);
    const grid = [...nver.ticks(0, roof).flatMap((tick) => [nver.draw("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
      nver.draw("text", { class: "tick", x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, nver.percent(tick, 0))]),
    ...marks.flatMap((tick) => [nver.draw("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: height - bottom }),
      nver.draw("text", { class: "tick", x: x(tick), y: height - bottom + 18, "text-anchor": "middle" }, nver.tidy(costs[cost][1](tick)))])];
    const steps = best.map((row, i) => `${i ? `H${x(row[cost])}V` : `M${x(row[cost])} `}${y(row[metric][0])}`).join("") + `H${width - right}`;
    const dot = (row) => {
      const place = kinds.indexOf(row.kind);
      return nver.draw("path", { class: `dot k${place % SHAPES.length}${row.control ? " control" : ""}`, d: SHAPES[place % SHAPES.length], transform: `translate(${x(row[cost]).toFixed(1)} ${y(row[metric][0]).toFixed(1)})` },
        nver.draw("title", {}, `${row.system} / ${row.fusion}: ${nver.percent(row[metric][0])}, ${costs[cost][1](row[cost])}`));
    };
    const label = (row) => nver.draw("a", { href: `results/${row.id}.html`, "aria-label": `${row.system} / ${row.fusion}, ${nver.percent(row[metric][0])} percent, ${costs[cost][1](row[cost])}` },
      nver.draw("circle", { class: "on-front", cx: x(row[cost]), cy: y(row[metric][0]), r: 9 }), dot(row));
    const text = `${metrics[metric]} against ${costs[cost][0]}: ${rows.length} rows, ${best.length} on the Pareto front; the table below lists them.`;
    const shown = rows.length > 3000 ? rows.filter((_, i) => i % Math.ceil(rows.length / 3000) === 0) : rows;
    return nver.draw("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": text }, grid,
      nver.draw("line", { class: "chance", x1: left, x2: width - right, y1: y(chance), y2: y(chance) }), nver.draw("text", { class: "tick", x: width - right + 8, y: y(chance) + 4 }, `chance ${nver.percent(chance)}`),
      nver.draw("path", { class: "front", d: steps }), nver.draw("text", { class: "tick front-name", x: width - right + 8, y: y(best[best.length - 1][metric][0]) + 4 }, "Pareto front"),
      nver.draw("g", { "aria-hidden": "true" }, shown.filter((row) => !best.includes(row)).map(dot)), best.map(label),
      nver.draw("text", { class: "axis", x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, `${costs[cost][0]} (logarithmic)`),
      nver.draw("text", { class: "axis", transform: `translate(14 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, `${metrics[metric]} %`));
  };
  const choice = (label, name, options, current) => {
    const select = nver.make("select", { name }, Object.entries(options).map(([value, text]) => nver.make("option", { value }, Array.isArray(text) ? text[0] : text)));
    select.value = current;
    select.addEventListener("change", () => { filters.set({ [name]: select.value }); place.querySelector(`select[name=${name}]`).focus(); });
    return nver.make("label", { class: "inline" }, `${label} `, select);
  };

  return () => {
    const { state } = filters;
    const cost = Object.hasOwn(costs, state.cost) ? state.cost : "trained";
    const metric = Object.hasOwn(metrics, state.metric) ? state.metric : "macro_f1";
    const all = filters.shown();
    const rows = all.filter((row) => row[cost] > 0 && row[metric]);
    place.replaceChildren(nver.make("h2", {}, "Score against cost"), choice("Cost", "cost", costs, cost), choice("Score", "metric", metrics, metric));
    if (filters.here().length !== 1 || !rows.length) {
      place.append(nver.make("p", { class: "empty" }, filters.here().length !== 1 ? "Choose one corpus, one kind of folds and one protocol to compare costs." : `No row with known ${costs[cost][0]}: they were not recorded, or everything came from the cache.`));
      return;
    }
    const own = rows.filter((row) => !row.control);
    const best = front(own.length ? own : rows, cost, metric);
    const kinds = [...new Set(all.map((row) => row.kind))].sort();
    const legend = nver.make("ul", { class: "legend" }, kinds.map((kind, i) => nver.make("li", {}, nver.draw("svg", { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" }, nver.draw("path", { class: `dot k${i % SHAPES.length}`, d: SHAPES[i % SHAPES.length] })), nver.foreign(kind))));
    if (rows.some((row) => row.control)) legend.append(nver.make("li", {}, "hollow: control"));
    const table = nver.make("table", { class: "plain" }, nver.make("caption", {}, "On the Pareto front"), nver.make("thead", {}, nver.make("tr", {}, ["System", metrics[metric], costs[cost][0]].map((text, i) => nver.make("th", { scope: "col", class: i ? "number" : null }, text)))),
      nver.make("tbody", {}, best.map((row) => nver.make("tr", {}, nver.make("th", { scope: "row" }, nver.make("a", { href: `results/${row.id}.html` }, nver.foreign(row.system)), nver.make("small", {}, nver.foreign(row.fusion))),
        nver.make("td", { class: "number" }, nver.two_lines(nver.percent(row[metric][0]), nver.bounds(row[metric]))), nver.make("td", { class: "number" }, costs[cost][1](row[cost]))))));
    const missing = all.length - rows.length;
    const note = `${missing ? `${nver.plural(missing, "row")} without known ${costs[cost][0]} not drawn. ` : ""}Points on the front were picked by score: neighbours may not differ (see ranks).`;
    const chart = nver.make("div", { class: "box", tabindex: "0", role: "region", "aria-label": "Chart of score against cost" }, plot(rows, best, cost, metric, kinds, filters.here()[0].chance[0][metric]));
    place.append(nver.make("div", { class: "beside" }, nver.make("div", {}, legend, chart, nver.make("p", { class: "note" }, note)),
      nver.make("div", { class: "box", tabindex: "0", role: "region", "aria-label": "Rows on the Pareto front" }, table)));
  };
};

// Backbone x backbone, a heat map per fusion: the shape of RENO's Table II.
"use strict";
nver.pairs = (place, filters) => {
  const metrics = { macro_f1: "macro-F1", accuracy: "accuracy", uar: "UAR" };
  const chosen = (rows) => {
    // Several rows of one pair and fusion (replicates, another loss): the one with most replicates, then the best.
    const cells = new Map();
    for (const row of rows) {
      const key = row.backbones.join("\n");
      const other = cells.get(key);
      if (!other || row.seeds > other.seeds || (row.seeds === other.seeds && row.macro_f1[0] > other.macro_f1[0])) cells.set(key, row);
    }
    return cells;
  };
  const shade = (fraction, low, high) => (high > low ? Math.min(1, Math.max(0, (fraction - low) / (high - low))) : 0.5);

  const map = (title, rows, metric, low, high) => {
    const cells = chosen(rows);
    const names = [[...new Set(rows.map((r) => r.backbones[0]))].sort(), [...new Set(rows.map((r) => r.backbones[1]))].sort()];
    const cell = (a, b) => {
      const row = cells.get(`${a}\n${b}`);
      if (row) {
        const value = row[metric] ? row[metric][0] : null;
        const td = nver.make("td", { class: "heat" }, nver.make("a", { href: `results/${row.id}.html` }, nver.percent(value), nver.make("span", { class: "hidden" }, ` percent, ${a} + ${b}`)));
        const share = shade(value, low, high);
        td.style.setProperty("--share", (10 + 90 * shade(value, low, high)).toFixed(0));
        td.title = `${row.system}: ${metrics[metric]} ${nver.percent(value)} ${nver.bounds(row[metric])}${row.control ? " (control)" : ""}${row.rank === null ? "" : `, rank ${row.rank}`}`;
        return td;
      }
      const swapped = cells.has(`${b}\n${a}`);
      return nver.make("td", { class: swapped ? "swapped" : "none", title: swapped ? `run as ${b} + ${a}` : null }, swapped ? nver.make("span", { class: "hidden" }, "run in the other order") : nver.make("small", {}, "not run"));
    };
    const head = nver.make("tr", {}, nver.make("td"), names[1].map((b) => nver.make("th", { scope: "col" }, nver.foreign(b))));
    const body = names[0].map((a) => nver.make("tr", {}, nver.make("th", { scope: "row" }, nver.foreign(a)), names[1].map((b) => cell(a, b))));
    const table = nver.make("table", { class: "heats" }, nver.make("caption", {}, nver.foreign(title), nver.make("small", {}, ` ${nver.plural(cells.size, "pair")}`)), nver.make("thead", {}, head), nver.make("tbody", {}, body));
    return nver.make("div", { class: "box", tabindex: "0", role: "region", "aria-label": `${title}: ${metrics[metric]} of pairs` }, table);
  };

  return () => {
    const { state } = filters;
    const fields = filters.here();
    const select = nver.make("select", { "aria-label": "Metric of the heat maps" }, Object.entries(metrics).map(([name, text]) => nver.make("option", { value: name }, text)));
    select.value = Object.hasOwn(metrics, state.metric) ? state.metric : "macro_f1";
    select.addEventListener("change", () => { filters.set({ metric: select.value }); place.querySelector("select").focus(); });
    place.replaceChildren(nver.make("h2", {}, "Pairs"));
    const rows = filters.shown().filter((row) => row.backbones.length === 2 && row[select.value]);
    if (fields.length !== 1 || !rows.length) {
      place.append(nver.make("p", { class: "empty" }, fields.length !== 1 ? "Choose one corpus, one kind of folds and one protocol to compare pairs." : "No pair of backbones among these rows."));
      return;
    }
    const own = rows.some((row) => !row.control) ? rows.filter((row) => !row.control) : rows;
    const values = own.map((row) => row[select.value][0]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const groups = new Map();
    for (const row of rows) {
      const key = `${row.fusion} / ${row.loss}${row.control ? ", controls" : ""}`;
      groups.set(key, [...(groups.get(key) || []), row]);
    }
    const sorted = [...groups].sort((a, b) => a[1][0].control - b[1][0].control || b[1].length - a[1].length || a[0].localeCompare(b[0]));
    place.append(nver.make("p", { class: "intro" }, "The first backbone stands left, the second above. All maps share one scale, from ", nver.make("b", {}, nver.percent(low)), " to ", nver.make("b", {}, nver.percent(high)), " percent", own.length < rows.length ? " (controls may lie outside)." : "."),
      nver.make("label", { class: "inline" }, "Metric ", select), nver.make("div", { class: "maps" }, sorted.map(([title, own]) => map(title, own, select.value, low, high))));
  };
};

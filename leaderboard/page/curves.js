// Learning curves: every fold and replicate as a thin line, their mean as a thick one.
"use strict";
nver.curves = (curves) => {
  const names = Object.keys(curves);
  if (!names.length || !names.some((name) => curves[name].some((line) => line.length))) return [nver.make("p", { class: "note" }, "No epochs were recorded: this head is fitted in one step.")];
  const WORDS = { train: "training part", watched: "validation part", validation: "validation part" };
  const split = (name) => { const [first, ...rest] = name.split("_"); return Object.hasOwn(WORDS, first) ? [rest.join(" ") || "loss", first] : [name.replaceAll("_", " "), ""]; };
  const panels = new Map();
  for (const name of names) {
    const [what, part] = split(name);
    panels.set(what, [...(panels.get(what) || []), [part, curves[name]]]);
  }
  const panel = (what, parts) => {
    const [width, height, left, right, top, bottom] = [380, 240, 48, 12, 12, 40];
    const lines = parts.flatMap(([, each]) => each);
    const values = lines.flat().filter((value) => value !== null);
    const epochs = Math.max(...lines.map((line) => line.length));
    const [low, high] = [Math.min(0, ...values), Math.max(...values) || 1];
    const x = (epoch) => left + (epochs > 1 ? epoch / (epochs - 1) : 0.5) * (width - left - right);
    const y = (value) => height - bottom - ((value - low) / (high - low || 1)) * (height - top - bottom);
    const path = (line) => line.map((value, i) => (value === null ? "" : `${i && line[i - 1] !== null ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`)).join("");
    const mean = (each) => Array.from({ length: epochs }, (_, i) => {
      const here = each.map((line) => line[i]).filter((value) => value !== null && value !== undefined);
      return here.length * 2 >= each.length ? here.reduce((sum, value) => sum + value, 0) / here.length : null;  // where at least half still train
    });
    const grid = [...nver.ticks(low, high, 4).flatMap((tick) => [nver.draw("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }), nver.draw("text", { class: "tick", x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, String(tick))]),
      ...nver.ticks(1, epochs, 5).filter(Number.isInteger).map((tick) => nver.draw("text", { class: "tick", x: x(tick - 1), y: height - bottom + 16, "text-anchor": "middle" }, String(tick)))];
    const drawn = parts.flatMap(([part, each]) => [...each.map((line) => nver.draw("path", { class: `thread ${part || "train"}`, d: path(line) })), nver.draw("path", { class: `thick ${part || "train"}`, d: path(mean(each)) })]);
    const last = parts.map(([part, each]) => `${WORDS[part] || "all"}: ${Number((mean(each).filter((v) => v !== null).at(-1) ?? NaN).toPrecision(3))} at the end`).join("; ");
    return nver.make("figure", {}, nver.make("figcaption", {}, nver.foreign(what)), nver.draw("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${what} over ${epochs} epochs. ${last}` }, grid, drawn,
      nver.draw("text", { class: "axis", x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, "epoch")));
  };
  const used = [...new Set(names.map((name) => split(name)[1] || "train"))];
  const legend = nver.make("ul", { class: "legend" }, used.map((part) => nver.make("li", {}, nver.draw("svg", { viewBox: "0 0 20 10", width: 20, height: 10, "aria-hidden": "true" }, nver.draw("path", { class: `thick ${part}`, d: "M1 5H19" })), WORDS[part] || part)));
  return [legend, nver.make("div", { class: "panels" }, [...panels].map(([what, parts]) => panel(what, parts))),
    nver.make("p", { class: "note" }, "Thin: each fold and replicate. Thick: their mean while at least half still train.")];
};

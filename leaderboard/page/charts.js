// Charts of one result: folds as dots, the confusion matrix, embeddings as points.
"use strict";

// One dot per fold and replicate, the pooled score and its interval with them: one strip per metric.
nver.folds = (record, room) => {
  const [width, row, left, right, top, bottom] = [Math.min(560, Math.max(300, room)), 58, 96, 20, 8, 34];
  const metrics = record.metrics.slice(0, 3);
  const height = top + metrics.length * row + bottom;
  const values = record.folds.flatMap((fold) => metrics.map((_, i) => fold[2 + i])).concat(record.pooled.slice(0, 3).filter(Boolean).flat().filter((v) => v !== null));
  const [low, high] = [Math.max(0, Math.floor(10 * Math.min(...values)) / 10), Math.min(1, Math.ceil(10 * Math.max(...values)) / 10)];
  const x = (value) => left + ((value - low) / (high - low || 1)) * (width - left - right);
  const replicates = Math.max(1, ...record.folds.map((fold) => fold[1] + 1));
  const grid = nver.ticks(low, high).flatMap((tick) => [nver.draw("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: height - bottom }),
    nver.draw("text", { class: "tick", x: x(tick), y: height - bottom + 18, "text-anchor": "middle" }, nver.percent(tick, 0))]);
  const strips = metrics.flatMap((name, i) => {
    const middle = top + row * (i + 0.5);
    const dots = record.folds.map((fold) => nver.draw("circle", { class: "point", cx: x(fold[2 + i]), cy: middle + 8 + (replicates > 1 ? (fold[1] / (replicates - 1) - 0.5) * 24 : 0), r: 3.2 },
      nver.draw("title", {}, `fold ${fold[0]}, replicate ${fold[1] + 1}: ${name} ${nver.percent(fold[2 + i])} of ${fold[8]} clips, best epoch ${fold[6]} of ${fold[7]}`)));
    const pooled = record.pooled[i];
    const line = middle - 18;
    const bar = pooled ? [pooled[1] === null ? null : nver.draw("path", { class: "reach", d: `M${x(pooled[1])} ${line}H${x(pooled[2])}M${x(pooled[1])} ${line - 4}v8M${x(pooled[2])} ${line - 4}v8` }),
      nver.draw("circle", { class: "dot", cx: x(pooled[0]), cy: line, r: 4.2 }, nver.draw("title", {}, `pooled ${nver.percent(pooled[0])} ${nver.bounds(pooled)}`))] : [];
    return [nver.draw("text", { class: "axis", x: left - 14, y: middle + 4, "text-anchor": "end" }, name), ...bar.filter(Boolean), ...dots];
  });
  const said = metrics.map((name, i) => `${name} from ${nver.percent(Math.min(...record.folds.map((f) => f[2 + i])))} to ${nver.percent(Math.max(...record.folds.map((f) => f[2 + i])))}`).join("; ");
  return [nver.draw("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Scores of ${nver.plural(record.folds.length, "fold")} and replicates: ${said}` }, grid, strips),
    nver.make("p", { class: "note" }, `Percent. Above: pooled, with its interval over speakers. Dots: ${record.folds.length} trainings, one line per replicate. A fold's macro averages run over the classes it holds.`)];
};

// Rows add to 100: the true class on the left. Counts on hover and focus.
nver.confusion = (record) => {
  const { labels, confusion } = record;
  const readout = nver.make("p", { class: "readout", role: "status", "aria-live": "polite" }, "Row: true class; column: predicted class. Percent of the row; hover or focus a cell for its count.");
  const cell = (count, total, i, j) => {
    const share = total ? count / total : 0;
    const td = nver.make("td", { class: `heat${i === j ? " own" : ""}`, tabindex: i === 0 && j === 0 ? "0" : "-1" }, (100 * share).toFixed(0));
    td.style.setProperty("--share", (100 * share).toFixed(0));
    const tell = () => readout.replaceChildren(nver.foreign(labels[i]), " predicted as ", nver.foreign(labels[j]), `: ${count.toLocaleString("en")} of ${total.toLocaleString("en")} (${(100 * share).toFixed(1)}%)`);
    td.addEventListener("mouseenter", tell);
    td.addEventListener("focus", tell);
    td.title = `${count.toLocaleString("en")} of ${total.toLocaleString("en")}`;
    return td;
  };
  const body = confusion.map((counts, i) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return nver.make("tr", {}, nver.make("th", { scope: "row" }, nver.foreign(labels[i])), counts.map((count, j) => cell(count, total, i, j)));
  });
  const head = nver.make("tr", {}, nver.make("td"), labels.map((label) => nver.make("th", { scope: "col" }, nver.make("span", {}, nver.foreign(label)))));
  const table = nver.make("table", { class: "heats confusion", role: "grid" }, nver.make("caption", { class: "hidden" }, "Confusion matrix, row-normalised, percent"), nver.make("thead", {}, head), nver.make("tbody", {}, body));
  table.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    const current = event.target.closest("td.heat");
    if (!step || !current) return;
    event.preventDefault();
    const [i, j] = [current.parentElement.rowIndex - 1 + step[0], current.cellIndex - 1 + step[1]];
    const next = body[i] && body[i].cells[j + 1];
    if (!next || j < 0) return;
    current.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return [nver.make("div", { class: "box", role: "region", "aria-label": "Confusion matrix", tabindex: "0" }, table), readout];
};

// Two pictures of the same points: coloured by class, and by speaker.
nver.embedding = (name, picture) => {
  const size = 380, edge = 10;
  const xs = picture.xy.map((p) => p[0]), ys = picture.xy.map((p) => p[1]);
  const range = (values) => [Math.min(...values), Math.max(...values)];
  const [[left, right], [low, high]] = [range(xs), range(ys)];
  const span = Math.max(right - left, high - low) || 1;
  const at = ([x, y]) => [edge + ((x - left) / span) * (size - 2 * edge), size - edge - ((y - low) / span) * (size - 2 * edge)];
  const panel = (what, places, names) => {
    const many = names.length > 12;
    const dots = picture.xy.map((point, i) => {
      const [x, y] = at(point);
      const dot = nver.draw("circle", { class: many ? "speck" : `speck c${places[i]}`, cx: x.toFixed(1), cy: y.toFixed(1), r: 2.6 }, nver.draw("title", {}, names[places[i]]));
      if (many) dot.style.fill = `hsl(${Math.round((360 * ((places[i] * 0.381966) % 1)))} 62% ${places[i] % 2 ? 42 : 60}%)`;  // golden ratio: neighbours differ
      return dot;
    });
    const legend = many ? nver.make("p", { class: "note" }, `${names.length} ${what}s, a colour each: hover a point for its name.`)
      : nver.make("ul", { class: "legend" }, names.map((text, i) => nver.make("li", {}, nver.draw("svg", { viewBox: "0 0 10 10", width: 10, height: 10, "aria-hidden": "true" }, nver.draw("circle", { class: `speck c${i}`, cx: 5, cy: 5, r: 4.5 })), nver.foreign(text))));
    return nver.make("figure", {}, nver.make("figcaption", {}, `by ${what}`), nver.draw("svg", { class: "plot square", viewBox: `0 0 ${size} ${size}`, role: "img",
      "aria-label": `t-SNE of ${picture.shown} embeddings, coloured by ${what}: ${names.length} ${what}s` }, dots), legend);
  };
  const sample = picture.shown < picture.clips ? `, a sample of ${picture.shown.toLocaleString("en")} of ${picture.clips.toLocaleString("en")} clips` : `, ${nver.plural(picture.clips, "clip")}`;
  return nver.make("section", { class: "pictures" }, nver.make("h3", {}, nver.foreign(name)), nver.make("div", { class: "two" }, panel("class", picture.labels, picture.classes), panel(picture.unit, picture.groups, picture.people)),
    nver.make("p", { class: "note" }, `t-SNE after PCA to 50 dimensions, seeded${sample}. Distances between clusters mean nothing; neighbours do.`));
};

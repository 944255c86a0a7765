// The columns of the table: heading, what they sort by, and how a cell is drawn.
"use strict";
nver.rank_class = (rank) => (rank === null ? "unranked" : `rank-${Math.min(rank, 4)}`);

// The axis of the whiskers: from below the worst result shown to above the best; chance and controls may lie outside.
nver.axis = (rows) => {
  const own = rows.filter((row) => !row.chance && !row.control);
  const shown = (own.length ? own : rows).map((row) => row.macro_f1);
  const ends = [Math.min(...shown.map((t) => t[1] ?? t[0])), Math.max(...shown.map((t) => t[2] ?? t[0]))];
  return shown.length ? [Math.max(0, Math.floor(20 * ends[0]) / 20), Math.min(1, Math.ceil(20 * ends[1]) / 20)] : [0, 1];
};
nver.WHISKER = 150;
nver.whisker = (triple, [low, high], chance) => {
  const [width, height] = [nver.WHISKER, 18];
  const at = (fraction) => Math.round(10 * (6 + ((Math.min(Math.max(fraction, low), high) - low) / (high - low || 1)) * (width - 12))) / 10;
  const middle = height / 2;
  const parts = [nver.draw("path", { class: "rail", d: `M6 ${middle}H${width - 6}` })];
  if (chance >= low && chance <= high) parts.push(nver.draw("path", { class: "chance", d: `M${at(chance)} 1V${height - 1}` }));
  if (triple[0] < low || triple[0] > high) {
    const [tip, back] = triple[0] < low ? [1, 8] : [width - 1, width - 8];
    parts.push(nver.draw("path", { class: "dot", d: `M${tip} ${middle}L${back} ${middle - 4}V${middle + 4}Z` }));  // off the axis, to that side
  } else {
    if (triple[1] !== null) parts.push(nver.draw("path", { class: "reach", d: `M${at(triple[1])} ${middle}H${at(triple[2])}M${at(triple[1])} ${middle - 4}v8M${at(triple[2])} ${middle - 4}v8` }));
    parts.push(nver.draw("circle", { class: "dot", cx: at(triple[0]), cy: middle, r: 3.5 }));
  }
  return nver.draw("svg", { class: "whisker", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" }, parts);
};

nver.two_lines = (first, second) => [nver.make("span", { class: "first" }, first), second ? nver.make("small", {}, second) : null];

nver.columns = [
  { name: "system", heading: "System", head: true, key: (r) => r.system.toLowerCase(),
    cell: (r) => {
      if (r.chance) return nver.two_lines(r.system, "chance");
      const link = nver.make("a", { href: `results/${r.id}.html`, class: "first", "data-id": r.id }, nver.foreign(r.system));
      const under = nver.make("small", {}, nver.foreign(r.fusion), " · ", nver.foreign(r.loss));
      if (r.seeds === 1) under.append(" · 1 replicate");
      return [link, under];
    } },
  { name: "rank", heading: "Rank", key: (r) => (r.rank === null ? Infinity : r.rank), up: true,
    cell: (r) => (r.rank === null ? nver.make("span", { class: "pill", title: r.unranked }, "–", nver.make("span", { class: "hidden" }, ` not ranked: ${r.unranked}`))
      : nver.make("span", { class: "pill" }, String(r.rank))) },
  { name: "macro_f1", heading: "Macro-F1 %",
    ends: true, key: (r) => r.macro_f1 && r.macro_f1[0],
    cell: (r, axis) => [nver.make("span", { class: "score" }, nver.make("b", {}, nver.percent(r.macro_f1[0])), nver.make("small", {}, nver.bounds(r.macro_f1))),
      nver.whisker(r.macro_f1, axis, r.where.chance[0].macro_f1)] },
  { name: "behind", heading: "Behind best", hint: "points, paired", number: true, up: true, key: (r) => (r.behind ? r.behind[0] : r.rank === 1 ? 0 : null),
    cell: (r) => (r.behind ? nver.two_lines(nver.percent(r.behind[0]), nver.bounds(r.behind)) : r.rank === 1 ? nver.two_lines("best") : "–") },
  { name: "accuracy", heading: "Accuracy %", number: true, key: (r) => r.accuracy && r.accuracy[0],
    cell: (r) => (r.accuracy ? nver.two_lines(nver.percent(r.accuracy[0]), nver.bounds(r.accuracy)) : "–") },
  { name: "uar", heading: "UAR %", number: true, key: (r) => r.uar && r.uar[0],
    cell: (r) => (r.uar ? nver.two_lines(nver.percent(r.uar[0]), nver.bounds(r.uar)) : "–") },
  { name: "published", heading: "Published F1 %", hint: "ours − theirs", number: true, key: (r) => r.published && r.published[1],
    cell: (r) => (!r.published ? "–" : r.published[1] === null // a paper that prints accuracy and no macro-F1
      ? nver.two_lines(`${nver.percent(r.published[0])} acc.`, `ours ${nver.points_text(r.accuracy[0] - r.published[0])}`)
      : nver.two_lines(nver.percent(r.published[1]), `ours ${nver.points_text(r.macro_f1[0] - r.published[1])}`)),
    title: (r) => r.source },
  { name: "gap", heading: "Speaker gap", hint: "random − disjoint", number: true, key: (r) => r.gap && r.gap[0],
    cell: (r) => (r.gap ? nver.two_lines(nver.points_text(r.gap[0]), nver.bounds(r.gap, nver.points_text)) : "–") },
  { name: "trained", heading: "Trained", hint: "parameters", number: true, up: true, key: (r) => r.trained, cell: (r) => nver.count(r.trained) },
  { name: "frozen", heading: "Frozen", hint: "parameters", number: true, up: true, key: (r) => r.frozen, cell: (r) => nver.count(r.frozen) },
  { name: "seconds", heading: "Per clip", hint: "embedding", number: true, up: true, key: (r) => r.seconds, cell: (r) => nver.seconds(r.seconds) },
  { name: "standing", heading: "Standing", up: true, key: (r) => `${r.control ? "z" : ""}${r.standing} ${r.level}`,
    cell: (r) => {
      if (r.chance) return "–";
      const first = nver.make("span", { class: `first${r.standing === "official" && !r.control ? " official" : ""}` }, r.control ? "control" : r.standing);
      const notes = r.notes.filter((note) => !note.startsWith("control")).map((note) => nver.foreign(note));
      return [first, nver.make("small", {}, r.level === "rerun" ? "rerun by its authors" : r.level, notes.map((note) => [" · ", note]).flat())];
    },
    title: (r) => r.notes.join("; ") },
  { name: "kind", heading: "Family", up: true, key: (r) => r.kind.toLowerCase(), cell: (r) => (r.chance ? "–" : nver.foreign(r.kind)) },
  { name: "corpus", heading: "Corpus", up: true, key: (r) => r.where.corpus.toLowerCase(),
    cell: (r) => nver.two_lines(nver.foreign(r.where.corpus), r.where.protocol) },
  { name: "folds", heading: "Folds", up: true, key: (r) => r.where.folds, cell: (r) => nver.foreign(r.where.folds) },
  { name: "licence", heading: "Licence", up: true, key: (r) => r.licence.toLowerCase(), cell: (r) => nver.foreign(r.licence), title: (r) => r.licence },
];

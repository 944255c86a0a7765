// The answer in short: which is best, is that real, what does it cost, does it agree with the paper.
"use strict";
nver.lead = (place, rows, fields) => {
  place.replaceChildren();
  const item = (label, value, detail, big) => nver.make("div", { class: big ? "big" : null }, nver.make("span", { class: "label" }, label),
    nver.make("span", { class: "value" }, value), nver.make("span", { class: "detail" }, detail));
  if (fields.length !== 1) {
    place.append(nver.make("p", { class: "note" }, `${fields.length} fields are shown. Ranks and differences hold within one corpus, folds and protocol: choose one of each to compare.`));
    return;
  }
  const [field] = fields;
  const own = rows.filter((row) => row.where === field);
  const chance = field.chance[0];
  const ranked = own.filter((row) => row.rank !== null);
  const best = ranked.find((row) => row.behind === null && row.rank === 1) || [...own].filter((r) => !r.control).sort((a, b) => b.macro_f1[0] - a.macro_f1[0])[0];
  if (!best) {
    place.append(item("Chance", nver.percent(chance.macro_f1), `macro-F1 of ${chance.how}; only controls were run here`, true));
    return;
  }
  const link = nver.make("a", { href: `results/${best.id}.html` }, nver.foreign(best.system));
  const interval = best.macro_f1[1] === null ? `no interval with ${nver.plural(field.groups, field.unit)}` : `macro-F1, 95% ${nver.bounds(best.macro_f1)}`;
  place.append(item(link, nver.percent(best.macro_f1[0]), [nver.foreign(best.fusion), ` · ${interval} · chance ${nver.percent(chance.macro_f1)}`], true));
  const equal = ranked.filter((row) => row.rank === 1).length - 1;
  const next = ranked.filter((row) => row.rank > 1 && row.behind).sort((a, b) => a.behind[0] - b.behind[0])[0];
  const rest = next ? `; the next group begins ${nver.percent(next.behind[0])} points behind ${nver.bounds(next.behind)}` : "";
  place.append(ranked.length
    ? item("Is it real?", equal ? `${equal + 1} tie` : ranked.length > 1 ? "yes" : "alone", (equal ? `${nver.plural(equal, "other")} without a significant difference` : ranked.length > 1 ? "significantly better than all others" : "nothing to compare with") + rest)
    : item("Is it real?", "no claim", best.unranked || "no row is ranked here"));
  const cost = [best.frozen === null ? null : `${nver.count(best.frozen)} frozen`, best.seconds === null ? null : `${nver.seconds(best.seconds)} per clip`].filter(Boolean);
  place.append(item("Cost", nver.count(best.trained), ["weights trained", ...cost].join(", ")));
  place.append(nver.papers(own, item));
  place.append(item("Measured on", field.clips.toLocaleString("en"), `clips of ${field.unit === "clip" ? "unknown speakers" : nver.plural(field.groups, field.unit)}, ${field.classes} classes, ${field.number} ${field.folds} folds`));
};

// Ours minus published over all rows of the field that a paper reports, controls left out.
nver.papers = (own, item) => {
  const differences = own.filter((row) => row.published && row.published[1] !== null && !row.control).map((row) => row.macro_f1[0] - row.published[1]).sort((a, b) => a - b);
  if (!differences.length) return item("The papers", "–", "no paper reports these combinations");
  const mean = differences.reduce((sum, each) => sum + each, 0) / differences.length;
  const ends = differences.length > 1 ? `, from ${nver.points_text(differences[0])} to ${nver.points_text(differences.at(-1))}` : "";
  return item("Ours − papers’", nver.points_text(mean), `points, mean of ${nver.plural(differences.length, "row")} that papers report${ends}; they used other folds`);
};

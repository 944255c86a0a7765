// What every script shares: elements made from text only, numbers in words, and the record of the page.
"use strict";
const nver = { points: {} };

nver.record = () => JSON.parse(document.getElementById("record").textContent);

// An element: facts are attributes, children are elements or text. Nothing is ever parsed as HTML.
nver.make = (tag, facts = {}, ...children) => nver.fill(document.createElement(tag), facts, children);
nver.draw = (tag, facts = {}, ...children) => nver.fill(document.createElementNS("http://www.w3.org/2000/svg", tag), facts, children);
nver.fill = (element, facts, children) => {
  for (const [name, value] of Object.entries(facts)) if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
};
// Foreign text: what it does to the direction of writing ends with it.
nver.foreign = (text) => nver.make("bdi", {}, text);

nver.percent = (fraction, digits = 1) => fraction === null || fraction === undefined ? "–" : nver.sign((100 * fraction).toFixed(digits));
// A minus sign as wide as a plus, and no minus before zero.
nver.sign = (text) => (Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−"));
nver.points_text = (fraction) => {
  if (fraction === null || fraction === undefined) return "–";
  const text = nver.percent(fraction);
  return text.startsWith("−") || Number(text) === 0 ? text : `+${text}`;
};
nver.bounds = (triple, write = nver.percent) => triple && triple[1] !== null ? `[${write(triple[1])}, ${write(triple[2])}]` : "";
nver.count = (number) => {
  if (number === null || number === undefined) return "–";
  if (number >= 1e6) return `${(number / 1e6).toFixed(number < 1e7 ? 2 : number < 1e8 ? 1 : 0)} M`;
  return number >= 1e4 ? `${(number / 1e3).toFixed(0)} k` : String(number);
};
nver.seconds = (number) => number === null || number === undefined ? "–" : number < 0.1 ? `${(1000 * number).toFixed(1)} ms` : `${number.toFixed(2)} s`;
// A quantity without the zeros that end its decimals: "1.50 M" is "1.5 M", "500 k" stays.
nver.tidy = (text) => text.replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " ");
nver.plural = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

// Round steps for an axis from 0 (or a low end) to a high end.
nver.ticks = (low, high, most = 6) => {
  const span = high - low || 1;
  const raw = span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= raw);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * span; at += step) found.push(Number(at.toPrecision(12)));
  return found;
};
// The same for a logarithmic axis: powers of ten, with their doubles and halves where there is room.
nver.powers = (low, high) => {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) found.push(...[1, 2, 5].map((factor) => factor * 10 ** power));
  const inside = found.filter((tick) => tick >= low && tick <= high);
  return inside.length > 8 ? inside.filter((tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9) : inside;
};

// Lines with texts packed once -> objects.
nver.unpack = (record) => {
  const columns = Object.entries(record.columns);
  return record.rows.map((cells) => {
    const row = {};
    columns.forEach(([name, how], place) => {
      const cell = cells[place];
      row[name] = how === "raw" ? cell : how === "text" ? record.texts[cell] : cell.map((each) => record.texts[each]);
    });
    row.where = record.fields[row.field];
    row.system = row.backbones.join(" + ");
    row.words = [row.system, row.fusion, row.loss, row.kind, row.where.corpus, row.where.folds, row.standing, row.level, row.licence, row.id, ...row.notes]
      .join("\n").toLowerCase();
    return row;
  });
};

// The table: a real one, of which only the visible rows exist. Sorted by any column, walked by keyboard.
"use strict";
nver.table = (filters) => {
  const ROW = 56, SPARE = 6;
  const box = document.getElementById("box");
  const table = document.getElementById("rows");
  const [head, body] = [table.tHead.rows[0], table.tBodies[0]];
  const space = () => nver.make("tr", { class: "space", "aria-hidden": "true" }, nver.make("td"));
  const [above, below] = [space(), space()];
  let rows = [], columns = [], axis = [0, 1], drawn = new Map(), from = -1, to = -1;

  const heading = (column) => {
    const { state } = filters;
    const sorted = state.sort === column.name;
    const button = nver.make("button", { type: "button", "data-sort": column.name }, column.heading, nver.make("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (state.order === "up" ? "↑" : "↓") : ""));
    button.addEventListener("click", () => {
      const order = sorted ? (state.order === "up" ? "down" : "up") : column.up ? "up" : "down";
      filters.set({ sort: column.name, order });
      table.querySelector(`[data-sort="${column.name}"]`).focus();
    });
    return nver.make("th", { scope: "col", class: `c-${column.name}${column.number ? " number" : ""}`, "aria-sort": sorted ? (state.order === "up" ? "ascending" : "descending") : "none" },
      button, column.hint ? nver.make("small", {}, column.hint) : null,
      column.ends ? nver.make("small", { class: "ends", "aria-hidden": "true" }, axis.map((end) => nver.make("span", {}, nver.percent(end, 0)))) : null);
  };
  const line = (row, place) => {
    const cells = columns.map((column) => nver.make(column.head ? "th" : "td", { scope: column.head ? "row" : null, class: `c-${column.name}${column.number ? " number" : ""}`,
      title: column.title ? column.title(row) || null : null }, column.cell(row, axis)));
    const last = place + 1 < rows.length && rows[place + 1].rank !== row.rank && filters.state.sort === "rank";
    return nver.make("tr", { class: `${row.chance ? "is-chance " : ""}${nver.rank_class(row.rank)}${row.control ? " is-control" : ""}${last ? " ends-rank" : ""}`, "aria-rowindex": place + 2 }, cells);
  };
  const draw = () => {
    const seen = Math.ceil((box.clientHeight || 600) / ROW);
    const start = Math.max(0, Math.floor(box.scrollTop / ROW) - SPARE);
    const end = Math.min(rows.length, start + seen + 2 * SPARE);
    if (start === from && end === to) return;
    [from, to] = [start, end];
    const focused = document.activeElement && body.contains(document.activeElement) ? document.activeElement : null;
    const kept = new Map();
    for (let place = start; place < end; place += 1) kept.set(place, drawn.get(place) || line(rows[place], place));
    const lost = focused && ![...kept.values()].some((row) => row.contains(focused));
    for (const [place, row] of drawn) if (!kept.has(place)) row.remove();
    // Rows that stay are not touched, so that focus and selection stay too.
    let next = below;
    for (let place = end - 1; place >= start; place -= 1) {
      const row = kept.get(place);
      if (row.nextSibling !== next) body.insertBefore(row, next);
      next = row;
    }
    drawn = kept;
    above.firstChild.style.height = `${start * ROW}px`;
    below.firstChild.style.height = `${(rows.length - end) * ROW}px`;
    above.hidden = start === 0;
    below.hidden = end === rows.length;
    if (lost) box.focus({ preventScroll: true });
  };
  const go = (place) => {
    const target = Math.min(Math.max(place, 0), rows.length - 1);
    const top = target * ROW, header = table.tHead.offsetHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    if (top + ROW + header > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW + header - box.clientHeight + 2;
    draw();
    const row = drawn.get(target);
    const link = row && row.querySelector("a");
    if (link) link.focus({ preventScroll: true });
    else if (row) { row.tabIndex = -1; row.focus({ preventScroll: true }); }
  };

  let waiting = false;
  box.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }, { passive: true });
  addEventListener("resize", draw);
  box.addEventListener("keydown", (event) => {
    const current = event.target.closest("tbody tr");
    if (!rows.length || (event.target !== box && !current)) return;
    const place = current ? Number(current.getAttribute("aria-rowindex")) - 2 : -1;
    const page = Math.max(1, Math.floor(box.clientHeight / ROW) - 2);
    const next = { ArrowDown: place + 1, ArrowUp: place < 0 ? 0 : place - 1, Home: 0, End: rows.length - 1, PageDown: Math.max(place, 0) + page, PageUp: place - page }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    go(next);
  });

  const chances = (state) => filters.here().flatMap((field) => field.chance.map((known) => ({ chance: true, id: "", system: known.how, backbones: [], where: field, rank: null,
    unranked: "chance", macro_f1: [known.macro_f1, null, null], accuracy: [known.accuracy, null, null], uar: [known.uar, null, null], behind: null, published: null,
    gap: null, trained: null, frozen: null, seconds: null, standing: "", level: "", notes: [], kind: "", licence: "", fusion: "", loss: "", source: "", control: false })))
    .filter((row) => state.q.toLowerCase().split(/\s+/).every((word) => `chance ${row.system}`.includes(word)));
  const compare = (column, order) => {
    const sign = order === "up" ? 1 : -1;
    return (a, b) => {
      const [x, y] = [column.key(a), column.key(b)];
      const [none, other] = [x === null || x === undefined || x === "", y === null || y === undefined || y === ""];
      if (none || other) return none - other;  // what is not known stands last, whichever way
      if (x !== y) return (x < y ? -1 : 1) * sign;
      return b.macro_f1[0] - a.macro_f1[0] || (a.id < b.id ? -1 : 1);
    };
  };
  const show = () => {
    const { state } = filters;
    const column = nver.columns.find((each) => each.name === state.sort) || nver.columns[2];
    rows = [...filters.shown(), ...chances(state)].sort(compare(column, state.order));
    const several = { corpus: new Set(rows.map((r) => r.where.corpus + r.where.protocol)).size > 1, folds: new Set(rows.map((r) => r.where.folds)).size > 1 };
    // A column that would hold one value, or none that is known, is left out; not the one that is sorted by.
    const empty = (each) => ["uar", "published", "gap", "frozen", "seconds"].includes(each.name) && !rows.some((r) => r[each.name] !== null && !r.chance);
    columns = nver.columns.filter((each) => each.name === state.sort || (several[each.name] !== false && !empty(each)));
    axis = nver.axis(rows);
    head.replaceChildren(...columns.map(heading));
    drawn = new Map();
    body.replaceChildren(above, below);
    for (const each of [above, below]) each.firstChild.setAttribute("colspan", columns.length);
    table.setAttribute("aria-rowcount", rows.length + 1);
    table.setAttribute("aria-colcount", columns.length);
    [from, to] = [-1, -1];
    box.scrollTop = 0;
    draw();
  };
  return { show, draw };
};

// What is shown: the state of the filters, kept in the address so that a view can be linked.
"use strict";
nver.filters = (rows, fields, changed) => {
  const form = document.getElementById("filters");
  const selects = ["corpus", "folds", "protocol", "kind", "fusion", "loss", "standing"];
  const WHERE = { corpus: "corpora", folds: "folds", protocol: "protocols" };
  const OTHERS = { kind: "families", fusion: "fusions", loss: "losses", standing: "standings" };
  const value = { corpus: (r) => r.where.corpus, folds: (r) => r.where.folds, protocol: (r) => r.where.protocol, kind: (r) => r.kind, fusion: (r) => r.fusion,
    loss: (r) => r.loss, standing: (r) => (r.control ? "control" : r.standing) };

  // One corpus at a time: where most rows are ranked, else where most rows are.
  const sizes = new Map();
  for (const row of rows) sizes.set(row.where, (sizes.get(row.where) || 0) + 1);
  const first = [...fields].sort((a, b) => b.ranked - a.ranked || (sizes.get(b) || 0) - (sizes.get(a) || 0))[0];
  const initial = { corpus: first ? first.corpus : "", folds: first ? first.folds : "", protocol: first ? first.protocol : "", q: "", kind: "", fusion: "", loss: "",
    standing: "", controls: "on", sort: "macro_f1", order: "down", view: "table", metric: "macro_f1", cost: "trained" };
  const state = { ...initial };

  const byText = (a, b) => a.localeCompare(b, "en", { numeric: true });
  const fill = () => {
    for (const name of selects) {
      const found = [...new Set(rows.map(value[name]))].sort(byText);
      const all = `All ${WHERE[name] || OTHERS[name]}`;
      form.elements[name].replaceChildren(nver.make("option", { value: "" }, all), ...found.map((text) => nver.make("option", { value: text }, text)));
    }
  };
  const show = () => {
    for (const name of selects) {
      form.elements[name].value = state[name];
      if (form.elements[name].value !== state[name]) form.elements[name].value = state[name] = initial[name];  // a link to what is no longer here
    }
    if (form.elements.q.value !== state.q) form.elements.q.value = state.q;
    form.elements.controls.checked = state.controls === "on";
  };
  const read = () => {
    Object.assign(state, initial);
    for (const [name, text] of new URLSearchParams(location.hash.slice(1))) if (Object.hasOwn(initial, name)) state[name] = text;
    show();
  };
  const write = () => {
    const said = new URLSearchParams(Object.entries(state).filter(([name, text]) => text !== initial[name]));
    const hash = said.toString();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };
  const set = (changes) => { Object.assign(state, changes); show(); write(); changed(); };

  // A corpus that was never cut this way: the folds and protocol it has most ranked rows of.
  const existing = (name, text) => {
    const wanted = { ...state, [name]: text };
    const fits = (field, names) => names.every((each) => !wanted[each] || field[each] === wanted[each]);
    if (!text || fields.some((field) => fits(field, ["corpus", "folds", "protocol"]))) return { [name]: text };
    const [field] = fields.filter((each) => fits(each, ["corpus", name])).concat(fields.filter((each) => fits(each, [name]))).sort((a, b) => fits(b, ["corpus"]) - fits(a, ["corpus"]) || b.ranked - a.ranked);
    return { corpus: wanted.corpus && field.corpus, folds: wanted.folds && field.folds, protocol: wanted.protocol && field.protocol };
  };

  const shown = () => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = selects.filter((name) => state[name]);
    return rows.filter((row) => (state.controls === "on" || !row.control) && wanted.every((name) => value[name](row) === state[name])
      && words.every((word) => row.words.includes(word)));
  };
  const here = () => fields.filter((field) => ["corpus", "folds", "protocol"].every((name) => !state[name] || field[name] === state[name]));

  fill();
  read();
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    const { name, type, checked, value: text } = event.target;
    set(type === "checkbox" ? { [name]: checked ? "on" : "off" } : Object.hasOwn(WHERE, name) ? existing(name, text) : { [name]: text });
  });
  const more = document.getElementById("more");  // on a phone the filters wait behind a button
  more.addEventListener("click", () => more.setAttribute("aria-expanded", String(form.classList.toggle("open"))));
  document.getElementById("reset").addEventListener("click", () => set({ ...initial, view: state.view }));
  addEventListener("hashchange", () => { read(); changed(); });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, select, textarea")) { event.preventDefault(); form.elements.q.focus(); form.elements.q.select(); }
  });
  return { state, set, shown, here };
};

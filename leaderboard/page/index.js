// The index: one record, one set of filters, three views.
"use strict";
(() => {
  const record = nver.record();
  const rows = nver.unpack(record);
  const views = ["table", "pairs", "cost"];
  let draw = {};
  const changed = () => {
    const { state } = filters;
    if (!views.includes(state.view)) state.view = "table";
    for (const view of views) {
      const tab = document.getElementById(`tab-${view}`);
      tab.setAttribute("aria-selected", String(view === state.view));
      tab.tabIndex = view === state.view ? 0 : -1;
      document.getElementById(`view-${view}`).hidden = view !== state.view;
    }
    const shown = filters.shown().length;
    document.getElementById("count").textContent = shown === rows.length ? nver.plural(shown, "result") : `${shown.toLocaleString("en")} of ${nver.plural(rows.length, "result")}`;
    nver.lead(document.getElementById("lead"), rows, filters.here());
    draw[state.view]();
  };
  const filters = nver.filters(rows, record.fields, () => changed());
  const table = nver.table(filters);
  draw = { table: table.show, pairs: nver.pairs(document.getElementById("view-pairs"), filters), cost: nver.cost(document.getElementById("view-cost"), filters) };
  const tabs = document.querySelector("[role=tablist]");
  tabs.addEventListener("click", (event) => { if (event.target.dataset.view) filters.set({ view: event.target.dataset.view }); });
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.dataset.view) return;
    const next = views[(views.indexOf(event.target.dataset.view) + step + views.length) % views.length];
    filters.set({ view: next });
    document.getElementById(`tab-${next}`).focus();
  });
  if (rows.length) changed();
  document.documentElement.dataset.ready = "true";
})();

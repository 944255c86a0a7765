// The page of one result: its charts, and the command to copy.
"use strict";
(() => {
  const record = nver.record();
  const put = (id, elements) => document.getElementById(id).replaceChildren(...elements);
  put("folds", nver.folds(record, document.getElementById("folds").clientWidth));
  put("confusion", nver.confusion(record));
  put("curves", nver.curves(record.curves));
  const pictures = record.embeddings.filter(([, digest]) => Object.hasOwn(nver.points, digest));
  if (pictures.length) put("embeddings", pictures.map(([name, digest]) => nver.embedding(name, nver.points[digest])));
  const copy = document.getElementById("copy");
  if (navigator.clipboard) {
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(document.getElementById("command").textContent); copy.textContent = "Copied"; } catch { copy.textContent = "Select it by hand"; }
    });
  }
  document.documentElement.dataset.ready = "true";
})();

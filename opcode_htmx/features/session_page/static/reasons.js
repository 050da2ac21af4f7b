// What is typed as a reason for a decision stays in the tab until the request is answered. Loaded after the first paint.
"use strict";

(() => {
  const FIELD = ".block-ask[data-state=open] .reason textarea";
  const { base = "" } = document.documentElement.dataset; // the path below which the app is served
  const stored = `reasons ${base}/ ${location.pathname}`;
  const known = new WeakSet(); // fields that had their words back, which may be emptied since

  let kept = {}; // the words, by the id of their field
  try {
    kept = Object(JSON.parse(sessionStorage.getItem(stored) ?? "{}"));
  } catch {} // forbidden

  let atLogout = {}; // what was in the fields when somebody logged out in another tab: not for the next login

  // Also those of a request that the page does not have yet, but of none that was answered.
  const keep = () => {
    const isAway = ([id]) => !document.getElementById(id) && !document.getElementById(id.replace(/-reason$/, ""));
    const typed = [...document.querySelectorAll(FIELD)].map((each) => [each.id, each.value])
      .filter(([id, value]) => value && value !== atLogout[id]);
    kept = Object.fromEntries([...Object.entries(kept).filter(isAway), ...typed]);
    try {
      if (Object.keys(kept).length) sessionStorage.setItem(stored, JSON.stringify(kept));
      else sessionStorage.removeItem(stored);
    } catch {} // full or forbidden: only this page has them
  };

  const giveBack = () => {
    for (const field of document.querySelectorAll(FIELD)) {
      if (known.has(field)) continue;
      known.add(field);
      if (field.value || !Object.hasOwn(kept, field.id)) continue;
      field.value = kept[field.id];
      const details = field.closest("details");
      if (details) details.open = true; // so that nothing is sent that is not seen
    }
  };
  giveBack();
  keep();
  // A block may come after its message.
  document.addEventListener("htmx:ws:after:message:incoming", () => requestAnimationFrame(giveBack));
  document.addEventListener("input", (event) => event.target.matches(FIELD) && keep());
  document.addEventListener("opcode:logout", () => {
    kept = {};
    atLogout = Object.fromEntries([...document.querySelectorAll(FIELD)].map((each) => [each.id, each.value]));
  });
  addEventListener("pagehide", keep); // without those that were answered
})();

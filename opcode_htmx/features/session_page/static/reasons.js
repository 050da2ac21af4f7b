// What is typed as a reason for a decision stays in the tab until the request is answered. Loaded after the first paint.
"use strict";

(() => {
  const FIELD = ".block-ask[data-state=open] .reason textarea";
  const stored = `reasons ${location.pathname}`;
  const fields = () => [...document.querySelectorAll(FIELD)];

  let kept = {}; // the words, by the id of their field
  try {
    kept = Object(JSON.parse(sessionStorage.getItem(stored) ?? "{}"));
  } catch {} // forbidden

  // Only for the requests that are open on this page: other words have nothing to be sent with.
  const keep = () => {
    const typed = fields().filter((each) => each.value).map((each) => [each.id, each.value]);
    try {
      if (typed.length) sessionStorage.setItem(stored, JSON.stringify(Object.fromEntries(typed)));
      else sessionStorage.removeItem(stored);
    } catch {} // full or forbidden: only this page has them
  };

  for (const field of fields()) {
    const details = field.closest("details");
    if (field.value || !Object.hasOwn(kept, field.id)) continue;
    field.value = kept[field.id];
    if (details) details.open = true; // so that nothing is sent that is not seen
  }
  keep();
  document.addEventListener("input", (event) => event.target.matches(FIELD) && keep());
  addEventListener("pagehide", keep); // without those that were answered
})();

// Shows a choice on the page Appearance at once, and sends it. If the server does not take it, the
// page goes back to what is kept there.
"use strict";

(() => {
  const form = document.getElementById("appearance");
  const state = document.getElementById("appearance-state");
  const root = document.documentElement;
  const DEFAULTS = { theme: "system", density: "comfortable", font: "100", reach: "off", keys: "on" };
  const SAVING = "Saving…";
  const kept = state.textContent;
  let saved = new FormData(form);
  let latest = 0; // the number of the newest choice; answers to earlier ones are out of date

  const show = (data) => {
    for (const [name, usual] of Object.entries(DEFAULTS)) {
      const value = data.get(name);
      if (value === usual) delete root.dataset[name];
      else root.dataset[name] = value;
    }
  };
  const giveBack = (data) => {
    for (const name of Object.keys(DEFAULTS)) form.elements[name].value = data.get(name);
    show(data);
  };

  // The colours of the browser's own bars are those of the page that was saved.
  const takeMeta = (html) => {
    const selector = 'meta[name="theme-color"], meta[name="color-scheme"]';
    const metas = new DOMParser().parseFromString(html, "text/html").querySelectorAll(selector);
    for (const old of document.head.querySelectorAll(selector)) old.remove();
    document.head.append(...metas);
  };

  const save = async () => {
    const number = (latest += 1);
    const data = new FormData(form);
    show(data);
    state.textContent = SAVING;
    // One after the other: the last choice is the one that is kept.
    await save.before;
    if (number !== latest) return;
    save.before = (async () => {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(data) }).catch(() => null);
      if (answer?.ok) saved = data;
      if (number !== latest) return;
      if (answer?.ok) takeMeta(await answer.text());
      else giveBack(saved);
      state.textContent = answer?.ok ? kept : "That could not be saved: the server does not answer. Try again.";
      state.classList.toggle("danger", !answer?.ok);
    })();
  };
  form.addEventListener("change", save);
  // A choice made just before the page is left is saved, too.
  addEventListener("pagehide", () => {
    if (state.textContent === SAVING) navigator.sendBeacon(form.action, new URLSearchParams(new FormData(form)));
  });
})();

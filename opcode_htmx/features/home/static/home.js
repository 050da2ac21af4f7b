// The start page: shows older sessions as one scrolls, and keeps a prompt that was not sent.
"use strict";

(() => {
  // --- older sessions ---------------------------------------------------------------------

  const NEAR_END = "0px 0px 100% 0px"; // fetched before a reader gets there
  const older = document.getElementById("older");
  const way = document.getElementById("home-older");
  let isFetching = false;

  const show = async () => {
    const link = way.querySelector("[rel=next]");
    if (!link || isFetching) return false;
    isFetching = true;
    const answer = await fetch(link.href).catch(() => null);
    isFetching = false;
    if (!answer?.ok) return false; // the link remains
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // one that was used meanwhile has moved on from the page before
    for (const row of page.querySelectorAll("#recent li")) if (!document.getElementById(row.id)) older.append(row);
    older.hidden = !older.children.length;
    const next = page.querySelector("#home-older [rel=next]");
    if (next) link.replaceWith(next);
    else link.remove();
    return Boolean(next);
  };

  // The way back leads to the same place, for which as many sessions must be there.
  const PLACE = "home-place";
  const storage = { get: () => null, set: () => {} };
  try {
    sessionStorage.getItem(PLACE);
    Object.assign(storage, { get: (key) => sessionStorage.getItem(key), set: (key, value) => sessionStorage.setItem(key, value) });
  } catch {} // it is switched off
  addEventListener("pagehide", () => storage.set(PLACE, `${older.children.length} ${scrollY}`));
  const goBack = async () => {
    const [count, top] = (storage.get(PLACE) ?? "0 0").split(" ").map(Number);
    while (older.children.length < count && (await show()));
    if (count) scrollTo(0, top);
  };

  const begin = async () => {
    if (performance.getEntriesByType("navigation")[0]?.type === "back_forward") await goBack();
    const observer = new IntersectionObserver(
      async (entries) => {
        if (!entries.some((entry) => entry.isIntersecting) || !(await show())) return;
        observer.unobserve(way); // and look again whether it is in view
        observer.observe(way);
      },
      { rootMargin: NEAR_END },
    );
    observer.observe(way);
  };
  if (way.querySelector("[rel=next]")) begin();

  // --- the prompt -------------------------------------------------------------------------

  const KEY = "home-prompt";
  const form = document.getElementById("ask");
  if (!form) return;
  const { prompt } = form.elements;
  prompt.value ||= storage.get(KEY) ?? "";
  prompt.addEventListener("input", () => storage.set(KEY, prompt.value));
  form.addEventListener("submit", () => storage.set(KEY, "")); // the server keeps it
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) form.requestSubmit();
  });
})();

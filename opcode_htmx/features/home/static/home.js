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

  const KEY = "home-prompt"; // what the server does not have yet
  const SAVE_MS = 600;
  const form = document.getElementById("ask");
  if (!form) return;
  const { prompt } = form.elements;
  const send = form.querySelector(".home-go");
  const note = document.getElementById("home-note");
  let timer = 0;
  if (storage.get(KEY)) prompt.value = storage.get(KEY);

  // Whether the server has the words now.
  const save = async () => {
    clearTimeout(timer);
    const body = new FormData(form);
    const saved = await fetch("/new/draft", { method: "POST", body, keepalive: true }).catch(() => null);
    if (saved?.ok && body.get("prompt") === prompt.value) storage.set(KEY, "");
    return Boolean(saved?.ok);
  };
  const saveSoon = () => {
    storage.set(KEY, prompt.value);
    clearTimeout(timer);
    timer = setTimeout(save, SAVE_MS);
  };
  form.addEventListener("input", saveSoon);
  addEventListener("pagehide", () => storage.get(KEY) && save());

  // By fetch, so that the words are still here where the network fails.
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const isOptions = event.submitter?.formAction.endsWith("/draft");
    if (send.ariaBusy || !(isOptions || prompt.value.trim())) return prompt.focus();
    clearTimeout(timer);
    note.textContent = "";
    if (isOptions) {
      storage.set(KEY, prompt.value);
      if (!prompt.value || (await save())) location.assign("/new");
      else note.textContent = "No connection. Your words are kept.";
      return;
    }
    send.ariaBusy = "true";
    prompt.readOnly = true; // its text is on the way
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) }).catch(() => null);
    if (answer?.redirected && /\/sessions\//.test(answer.url)) {
      storage.set(KEY, "");
      prompt.value = "";
      location.assign(`${answer.url}#end`);
    } else if (answer) {
      form.submit(); // the page that says what is wrong has the words
    } else {
      send.ariaBusy = null;
      prompt.readOnly = false;
      storage.set(KEY, prompt.value);
      note.textContent = "Not sent: no connection. Tap Send to try again.";
    }
  });
  addEventListener("pageshow", () => {
    send.ariaBusy = null;
    prompt.readOnly = false;
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) form.requestSubmit(send);
  });
})();

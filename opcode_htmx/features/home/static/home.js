// The start page: shows older sessions as one scrolls, and keeps a prompt that was not sent.
"use strict";

(() => {
  const { base = "" } = document.documentElement.dataset; // the path below which the app is served
  const isOurs = (answer) => answer?.headers.has("X-Opcode"); // and not a proxy's

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
    if (!answer?.ok || !isOurs(answer)) return false; // the link remains
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
    const set = (key, value) => {
      try {
        sessionStorage.setItem(key, value);
      } catch {} // it is full
    };
    Object.assign(storage, { get: (key) => sessionStorage.getItem(key), set });
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

  const KEY = `home-prompt ${base}/`; // what the server does not have yet
  const SEEN = "home-seen"; // the revision of the draft that it was written over
  const NOT_SENT = "Not sent: no connection. Tap Send to try again.";
  const NOT_SAVED = "No connection. Your words are kept.";
  const SAVE_MS = 600;
  const SAFE_LENGTH = 20000; // of a text that browsers still send when a page unloads
  const OWN_MS = 10000; // a page on its way may be older than what was saved since
  const form = document.getElementById("ask");
  if (!form) return;
  const { prompt, seen } = form.elements;
  const by = form.elements.prompt_id.value; // distinguishes text typed here from text typed elsewhere
  const send = form.querySelector(".home-go");
  const options = form.querySelector("[formaction]");
  const note = document.getElementById("home-note");
  const other = document.getElementById("home-other");
  let timer = 0;
  let known = prompt.value; // the server's text
  let changedAt = -OWN_MS;
  if (storage.get(KEY)) {
    prompt.value = storage.get(KEY);
    seen.value = storage.get(SEEN) ?? "";
  }

  const keep = () => {
    storage.set(KEY, prompt.value);
    storage.set(SEEN, seen.value);
  };
  const settle = (words) => {
    seen.value = other.dataset.revision;
    prompt.value = words;
    other.hidden = true;
    saveSoon();
  };
  const showOther = (words, revision) => {
    other.querySelector("blockquote").textContent = words;
    other.dataset.revision = revision;
    if (document.activeElement !== prompt && words.includes(prompt.value.trim())) settle(words);
    else other.hidden = false;
  };
  // What a page says that refuses a text.
  const sentenceOf = async (answer) => {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return page.querySelector("main .card > p:not(.muted)")?.textContent ?? "That did not work.";
  };

  // Whether the server has the words now.
  const save = async () => {
    clearTimeout(timer);
    const body = new FormData(form);
    body.set("by", by);
    const text = prompt.value;
    const answer = await fetch(`${base}/new/draft`, { method: "POST", body, keepalive: text.length < SAFE_LENGTH }).catch(() => null);
    const revision = answer?.headers.get("X-Draft-Revision");
    if (answer?.status === 409 && revision !== null) showOther(await answer.text(), revision);
    else if (isOurs(answer) && !answer.ok) note.textContent = `${await sentenceOf(answer)} Your words are kept on this page only.`;
    if (!answer?.ok || revision === null) return false; // or a proxy's answer
    seen.value = revision;
    known = text;
    note.textContent = "";
    other.hidden = true; // what is in it was sent, or is in this text
    if (text === prompt.value) storage.set(KEY, "");
    return true;
  };
  const saveSoon = () => {
    changedAt = performance.now();
    keep();
    clearTimeout(timer);
    timer = setTimeout(save, SAVE_MS);
  };
  form.addEventListener("input", saveSoon);
  addEventListener("pagehide", () => storage.get(KEY) && save());
  if (storage.get(KEY)) save();

  const [add, discard] = other.querySelectorAll("button");
  add.addEventListener("click", () => settle([other.querySelector("blockquote").textContent.trimEnd(), prompt.value].filter(Boolean).join("\n\n")));
  discard.addEventListener("click", () => settle(prompt.value));

  // Words from another page are shown, unless they would replace words typed here.
  document.addEventListener("opcode:refreshing", ({ detail: page }) => {
    const newer = page.getElementById("ask")?.elements;
    if (!newer || newer.seen.value === seen.value || newer.seen.dataset.by === by) return;
    if (prompt.value !== known || prompt.readOnly || performance.now() - changedAt < OWN_MS) return;
    prompt.value = known = newer.prompt.value;
    seen.value = newer.seen.value;
  });

  // By fetch, so that the words are still here where the network fails.
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const isOptions = event.submitter === options;
    if (send.ariaBusy || options.ariaBusy || !(isOptions || prompt.value.trim())) return prompt.focus();
    clearTimeout(timer);
    note.textContent = "";
    if (isOptions) {
      keep();
      options.ariaBusy = "true";
      if (!prompt.value || (await save())) return location.assign(`${base}/new`);
      options.ariaBusy = null;
      if (!other.hidden) other.scrollIntoView({ block: "nearest" });
      else if (!note.textContent) note.textContent = NOT_SAVED;
      return;
    }
    send.ariaBusy = "true";
    prompt.readOnly = true; // its text is on the way
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) }).catch(() => null);
    if (answer?.redirected && /\/sessions\//.test(answer.url)) {
      const isLeft = known && known.trim() !== prompt.value.trim(); // an earlier state of it, in the draft
      prompt.value = "";
      if (isLeft) await save();
      storage.set(KEY, "");
      location.assign(`${answer.url}#end`);
    } else if (isOurs(answer)) {
      form.submit(); // the page that says what is wrong has the words
    } else {
      send.ariaBusy = null;
      prompt.readOnly = false;
      keep();
      note.textContent = NOT_SENT;
    }
  });
  // The lists of this page come from the server again.
  document.addEventListener("opcode:refreshing", () => {
    if (note.textContent === NOT_SENT) note.textContent = "The connection is back. Tap Send again.";
    else if (note.textContent === NOT_SAVED) note.textContent = "The connection is back. Tap Options again.";
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted && send.ariaBusy) return location.reload(); // its form has been sent
    send.ariaBusy = options.ariaBusy = null;
    prompt.readOnly = false;
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) form.requestSubmit(send);
  });
})();

// Keyboard shortcuts. Loaded where the pointer is fine (feedback.js), unless the person has switched
// them off. A key counts alone only, and never while something is typed or a dialog is open.
"use strict";

(() => {
  const STILL_MS = 500; // a request must have been seen for so long before a key answers it
  const FIELD = "input, textarea, select, [contenteditable]";
  const LAYER = ":is(dialog[open], :popover-open)"; // forgiving, for browsers without popovers
  const OPEN = "#transcript .block-ask[data-state=open]:not([hidden])";
  const $ = (id) => document.getElementById(id);
  const transcript = $("transcript");
  const prompt = $("prompt");
  const STOPS = transcript ? `#transcript > .block:not([hidden]), ${OPEN}, #queue > li` : ".list :is(a, button).row";

  // --- what is in view ----------------------------------------------------------------------

  // The part of the window that neither the bars nor the dock cover.
  const space = () => {
    const bars = [...document.querySelectorAll(".topbar, .banner")].map((bar) => bar.getBoundingClientRect().bottom);
    const top = Math.max(0, ...bars);
    return { top, bottom: $("dock")?.getBoundingClientRect().top ?? innerHeight };
  };
  const isInView = (element, { top, bottom }) => {
    const box = element.getBoundingClientRect();
    return box.bottom > top && box.top < bottom;
  };
  const isWhole = (element, { top, bottom }) => {
    const box = element.getBoundingClientRect();
    return box.top >= top && box.bottom <= bottom;
  };

  // --- moving -------------------------------------------------------------------------------

  const reveal = (element) => {
    const { top, bottom } = space();
    const isTall = element.offsetHeight > bottom - top;
    element.scrollIntoView({ block: isTall ? "start" : "nearest" });
  };

  const move = (step) => {
    const stops = [...document.querySelectorAll(STOPS)].filter((stop) => stop.getClientRects().length);
    const current = stops.indexOf(document.activeElement.closest(STOPS));
    const view = space();
    const inView = stops.filter((stop) => isInView(stop, view));
    const next = current < 0 ? inView.at(step > 0 ? 0 : -1) : stops[current + step];
    if (!next) return;
    if (next.tabIndex < 0) next.tabIndex = -1; // a message can have the focus, but not by Tab
    next.focus({ preventScroll: true });
    reveal(next);
  };

  // A link or a button opens by itself; of a message its first card or text that is folded.
  const open = () => {
    const message = document.activeElement;
    if (message.matches(".block:not(.block-ask)")) message.querySelector("summary")?.click();
  };

  // --- answering ----------------------------------------------------------------------------

  const came = new Map(); // since when each open request is on the page, by its id
  const whole = new Map(); // and since when it is seen in whole
  let answered = 0;

  const look = () => {
    const cards = [...document.querySelectorAll(OPEN)];
    const now = performance.now();
    const view = cards.length ? space() : null;
    for (const times of [came, whole])
      for (const id of times.keys()) if (!cards.some((card) => card.id === id)) times.delete(id);
    for (const card of cards) {
      if (!came.has(card.id)) came.set(card.id, now);
      if (!isWhole(card, view)) whole.delete(card.id);
      else if (!whole.has(card.id)) whole.set(card.id, now);
    }
  };

  // The request that has the focus, or else the only one, seen in whole and long enough to be read.
  const answer = (decision) => {
    look();
    const cards = document.querySelectorAll(OPEN);
    const focused = document.activeElement.closest(OPEN);
    const card = focused ?? (cards.length === 1 ? cards[0] : null);
    if (!card || card.querySelector(".question")) return;
    if (focused && !isInView(focused, space())) return reveal(focused);
    const since = Math.max(answered, (focused ? came : whole).get(card.id) ?? Infinity);
    if (performance.now() - since < STILL_MS || since === Infinity) return;
    const button = card.querySelector(`[name=decision]:is(${decision})`);
    if (!button) return;
    answered = performance.now();
    button.click();
  };

  if (transcript) {
    look();
    const attributeFilter = ["data-state", "hidden", "open"];
    new MutationObserver(look).observe(transcript, { subtree: true, childList: true, attributeFilter });
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
  }

  // --- the other keys -----------------------------------------------------------------------

  const searchField = () => document.querySelector("main input[type=search]") ?? $("menu-q");
  const search = () => {
    const field = searchField();
    field?.closest("[popover]")?.showPopover?.();
    field?.focus();
  };

  const LIST = [
    ["J", transcript ? "Next message" : "Next row"],
    ["K", transcript ? "Previous message" : "Previous row"],
    ["Enter", transcript ? "Open or fold the message" : "Open the row"],
    ...(transcript ? [["A", "Allow what Claude asks"], ["D", "Deny it"], ["C", "Write to Claude"]] : []),
    ...(searchField() ? [["/", "Search"]] : []),
    ["Esc", "Leave a field or message, close a menu"],
    ["?", "This list"],
  ];
  let dialog = null;
  const help = () => {
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.className = "keys";
      dialog.setAttribute("aria-labelledby", "keys-title");
      const rows = LIST.map(([key, what]) => `<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`).join("");
      dialog.innerHTML = `<h2 id="keys-title">Keyboard shortcuts</h2><dl>${rows}</dl><p class="muted">They can be switched off in <a href="${document.documentElement.dataset.base ?? ""}/appearance">Appearance</a>.</p><form method="dialog"><button class="button" autofocus>Close</button></form>`;
      dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
      document.body.append(dialog);
    }
    dialog.showModal();
  };

  const leave = () => document.activeElement.blur();

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    enter: open,
    a: () => answer("[value=allow], [value=approve-default]"),
    d: () => answer("[value=deny]"),
    c: () => prompt?.focus(),
    "/": search,
    escape: leave,
    "?": help,
  };
  const NATIVE = ["enter", "escape"]; // they keep what the browser does with them
  const HELD = ["j", "k"]; // these may be held down

  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if (!Object.hasOwn(KEYS, key) || event.defaultPrevented || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.shiftKey && !["?", "/"].includes(key)) return; // some keyboards need it for these
    if (event.repeat && !HELD.includes(key)) return;
    if (document.querySelector(LAYER)) return;
    if (event.target.closest(FIELD) && key !== "escape") return;
    if (!NATIVE.includes(key)) event.preventDefault();
    KEYS[key]();
  });

  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = document.body.dataset.keyboard.split(" ")[1];
  document.head.append(style);
})();

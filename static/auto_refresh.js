// Keeps lists of sessions, and the counts of those that need attention, current while the page is visible.
"use strict";

(() => {
  const { base = "" } = document.documentElement.dataset; // the path below which the app is served
  const FAST = ["/", "/runs", "/server"].map((path) => base + path); // pages that change every second
  const here = location.pathname;
  const isFast = () => document.querySelector('[data-fresh="often"]'); // another page that does so now
  const newest = () => (FAST.includes(here) ? here : isFast() ? location.href : `${base}/runs/badge`);
  const EVERY_MS = FAST.includes(here) || isFast() ? 3000 : 10000;
  const SETTLE_MS = 600; // a finger on its way when the controls moved must not press another one
  // A control that is about to be pressed, was pressed, or is open, stays; so does a list that is read on.
  const PRESSED = ":active"; // on a touch screen for a moment longer than the finger is there
  const IN_USE = "[data-held], :has([open], :popover-open, [aria-busy='true'], [data-held], .swiped), .swiped";
  const READ_ON = ":has(~ #older > li)";

  const actionOf = (control) => control.form?.action ?? control.href; // which request it answers
  const controls = () => [...document.querySelectorAll("main [data-fresh] :is(button, a)")].map((each) => [each.closest("[id]").id, each.offsetTop, actionOf(each)].join()).join(" ");

  // Controls that have moved take no press for a moment: feedback.js refuses it.
  const settle = () => {
    const moved = document.querySelectorAll("main > [data-fresh]");
    for (const element of moved) element.dataset.held = "";
    setTimeout(() => moved.forEach((element) => delete element.dataset.held), SETTLE_MS);
  };

  // Gives the focus to the same control of a newer version.
  const keepFocus = () => {
    const focused = document.activeElement;
    const id = focused.closest("main [id]")?.id;
    const all = () => [...document.getElementById(id).querySelectorAll("a, button, summary")];
    const index = id ? all().indexOf(focused) : -1;
    const action = actionOf(focused);
    return () => {
      if (index < 0 || focused.isConnected || !document.getElementById(id)) return;
      const same = all()[index];
      if (same?.textContent === focused.textContent && actionOf(same) === action) same.focus({ preventScroll: true });
    };
  };

  // `answered`: a person has just acted in one of the lists, and waits for it to change.
  const show = (page, answered = false) => {
    const count = [...page.querySelectorAll("[data-count]")].reduce((sum, each) => sum + Number(each.dataset.count), 0);
    const before = controls();
    const giveFocusBack = keepFocus();
    const isTyping = !answered && document.activeElement.matches("main textarea, main input"); // nothing moves then
    document.dispatchEvent(new CustomEvent("opcode:refreshing", { detail: page }));
    // An outer element comes before those inside it, which are looked at if it stays.
    for (const newer of page.querySelectorAll("[data-fresh]")) {
      const older = document.getElementById(newer.id);
      if (!older || older.outerHTML === newer.outerHTML || older.matches(IN_USE)) continue;
      if (!answered && older.matches(`${PRESSED}, ${READ_ON}`)) continue;
      if (isTyping && older.closest("main")) continue;
      document.documentElement.dataset.refreshed = ""; // only what has moved is held from now on
      older.replaceWith(newer);
    }
    giveFocusBack();
    if (controls() !== before) settle();
    const title = document.title.replace(/^\(\d+\) /, "");
    document.title = count ? `(${count}) ${title}` : title;
  };

  let answers = 0; // a page that was requested before one of them does not have it
  const refresh = async () => {
    if (document.hidden) return;
    const asked = answers;
    const answer = await fetch(newest()).catch(() => null);
    const isOurs = answer?.ok && answer.headers.has("X-Opcode"); // no proxy's answer
    const text = isOurs ? await answer.text().catch(() => "") : "";
    if (text && asked === answers) show(new DOMParser().parseFromString(text, "text/html"));
  };
  // The page after an answer (run_rows.js); null if it was refused.
  document.addEventListener("opcode:answered", ({ detail: page }) => {
    answers += 1;
    if (page) show(page, true);
    else refresh();
  });
  // Back from the answer to a request: another one may be at its place.
  if (document.referrer && new URL(document.referrer).pathname === here) settle();
  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
  addEventListener("pageshow", (event) => event.persisted && refresh());
})();

// Shows at once that a tap was taken: the pressed control is busy, the other controls of its group
// cannot be pressed, and a thin bar is shown until the next page comes. Whether it worked is shown
// by the server's answer only.
"use strict";

(() => {
  const LONGEST_MS = 30000; // after which a control can be pressed again
  const GROUP = ".block-ask, .queue li, .attached li, .with-action, #stop, #stop-line, #end-claude, .composer-row, .choice, .keep, form";
  const CONTROL = "button, input, select, summary, form";
  const NEW = "[data-new], [data-just-sent='']:has(#prompt:placeholder-shown)"; // see session.js, sending.js
  const root = document.documentElement;
  const held = new Map(); // each busy control, with its group and the timer that releases it

  const groupOf = (control) => control.closest(GROUP) ?? control.parentElement;

  const release = (control) => {
    const { group, timer } = held.get(control) ?? {};
    clearTimeout(timer);
    held.delete(control);
    control.removeAttribute("aria-busy");
    if (group) delete group.dataset.held;
  };
  const releaseAll = () => {
    delete root.dataset.going;
    for (const control of held.keys()) release(control);
  };

  const hold = (control) => {
    release(control);
    const group = groupOf(control);
    control.setAttribute("aria-busy", "true");
    group.dataset.held = "";
    held.set(control, { group, timer: setTimeout(release, LONGEST_MS, control) });
  };

  const releaseReplaced = () => {
    for (const control of held.keys()) if (!control.isConnected) release(control);
  };

  // A second press, by a finger that shakes or with a key, is none.
  const refuse = (event) => {
    releaseReplaced();
    const control = (event.submitter ?? event.target).closest?.(CONTROL);
    const isNew = control?.matches(".button") && control.closest(NEW);
    if (!control || !(isNew || groupOf(control).closest("[data-held]"))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  addEventListener("click", refuse, true);
  addEventListener("submit", refuse, true);

  // --- requests of htmx -------------------------------------------------------------------

  document.addEventListener("htmx:config:request", ({ target }) => {
    if (target.matches?.("button, input, select")) hold(target);
  });
  // A proxy, or a hotel's network, answers as well, with a page of its own or with the way to another one:
  // of ours, too. The server itself leads no request of htmx that changes something to another page.
  const UNSENT = "That could not be sent: the server does not answer. Try again.";
  const fail = (ctx) => document.dispatchEvent(new CustomEvent("opcode:unsent", { detail: { ctx, sentence: UNSENT } }));
  document.addEventListener("htmx:before:response", ({ detail: { ctx } }) => {
    const { headers, raw } = ctx.response;
    ctx.isForeign = !headers.has("X-Opcode") || (raw.redirected && ctx.request.method !== "GET");
  });
  document.addEventListener("htmx:after:request", (event) => {
    if (!event.detail.ctx.isForeign) return;
    event.preventDefault(); // nothing of it is shown
    fail(event.detail.ctx);
  });
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => ctx?.request && fail(ctx));
  document.addEventListener("htmx:finally:request", ({ target, detail: { ctx } }) => {
    // An answered request stays busy until the socket replaces it.
    const isTaken = ctx.response?.status < 400 && !ctx.isForeign;
    if (isTaken && target.matches?.(".block-ask .button, #stop .button, #stop-line .button")) return;
    if (held.has(target)) release(target);
    releaseReplaced(); // the event of a control that was replaced comes from the document
  });

  // --- the way to another page ------------------------------------------------------------

  const go = (control) => {
    hold(control);
    root.dataset.going = "";
  };
  document.addEventListener("submit", ({ defaultPrevented, submitter, target }) => {
    if (defaultPrevented || target.method === "dialog" || target.getAttribute("target")) return; // this page stays
    // A disabled or inert submitter would be missing from the form's data.
    setTimeout(go, 0, submitter ?? target);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    const isHere = link.pathname === location.pathname && link.search === location.search;
    if (!isHere || !link.hash) go(link);
  });
  addEventListener("pageshow", releaseAll);
  window.navigation?.addEventListener("navigateerror", releaseAll);

  // --- scripts that only some devices have a use for -------------------------------------

  const load = (addresses) => {
    if (!addresses) return;
    const script = document.createElement("script");
    script.src = addresses.split(" ")[0];
    document.head.append(script);
  };
  if (matchMedia("(pointer: fine)").matches) load(document.body.dataset.keyboard);
  if (matchMedia("(any-pointer: coarse)").matches) {
    const loadGestures = () => load(document.body.dataset.gestures);
    // a session's page has more urgent things to load
    if (document.getElementById("transcript")) addEventListener("pointerdown", loadGestures, { once: true });
    else loadGestures();
  }
  const STYLES_AFTER_MS = 4000; // what this page loads comes first
  if (document.querySelector("style[data-address]")) setTimeout(load, STYLES_AFTER_MS, document.body.dataset.styles);
})();

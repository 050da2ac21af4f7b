// Shows in a page with the composer what failed and what to do: above the composer, or above the button
// that was pressed.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const composer = $("composer");

  const note = (sentence) => {
    const element = document.createElement("p");
    element.className = "error-note";
    element.textContent = sentence;
    return element;
  };
  const complain = (sentence) => {
    const shown = note(sentence);
    $("flash").replaceChildren(shown);
    return shown;
  };
  // A further one stands below what the server has refused.
  composer.addEventListener("opcode:refused", ({ detail: { sentence, isFurther } }) => {
    if (isFurther) $("flash").append(note(sentence));
    else complain(sentence);
  });
  // The notice of an empty prompt, of this page or of the server, goes with the first letter.
  const forget = () => {
    for (const each of document.querySelectorAll(".error-note")) if (each.textContent === composer.dataset.empty) each.remove();
  };
  $("prompt").addEventListener("input", ({ target }) => target.value.trim() && forget());

  let failure = null;
  let failed = null; // the control that was used
  let place = ""; // what holds it, and the one that replaces it
  document.addEventListener("opcode:unsent", ({ detail: { ctx, sentence } }) => {
    if (ctx.bubble) return; // sending.js shows it
    failure?.remove();
    failure = complain(sentence);
    failed = ctx.sourceElement;
    place = failed.parentElement?.closest("[id]")?.id;
    sayAbove(failed, failure);
  });
  // A notice about an answer stands above its button: the rest of the page may be out of view.
  let said = null;
  const sayAbove = (target, shown) => {
    const buttons = target.isConnected && target.closest?.(".block-ask .buttons, .block-ask .always");
    if (!buttons) return;
    said?.remove();
    said = shown;
    said.setAttribute("role", "alert");
    buttons.before(said);
    const { left, top, bottom } = said.getBoundingClientRect();
    const isSeen = (y) => said.contains(document.elementFromPoint(left + 20, y));
    // Not where it sticks in view: that would take the request's words away.
    if (!isSeen(top + 4) || !isSeen(bottom - 4)) said.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("htmx:before:request", ({ target }) => {
    if (said && target.closest?.(".block-ask")?.contains(said)) said.remove();
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    const refused = ctx.response?.status >= 400 && !ctx.isForeign && $("flash").firstElementChild;
    if (refused) sayAbove(ctx.sourceElement, refused);
  });
  document.addEventListener("htmx:ws:after:connection", () => {
    if (!failure?.isConnected) return;
    failure.className = "note";
    const name = failed.matches("button") && (failed.getAttribute("aria-label") ?? failed.textContent.trim());
    failure.textContent = `The connection is back. ${name ? `Press ${name}` : "Try"} again.`;
  });

  document.addEventListener("htmx:ws:after:message:incoming", () => {
    const isGone = failed?.matches("button") && !failed.isConnected && !$(place)?.querySelector("button");
    if (isGone) failure.remove(); // nobody can press it again
  });
})();

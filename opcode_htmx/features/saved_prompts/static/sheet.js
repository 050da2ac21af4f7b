// The sheet with saved and earlier prompts over a composer: lists while one types, and inserts what is
// tapped at the cursor. Loaded with the content of the sheet, when it is opened first.
"use strict";

(() => {
  const TYPING_MS = 120; // after the last key
  const DOWN = "The server does not answer. Try again.";
  const $ = (id) => document.getElementById(id);
  const sheet = $("prompt-sheet");
  const prompt = $("prompt");
  const isFine = matchMedia("(pointer: fine)").matches;
  let latest = 0; // requests that were overtaken are forgotten
  let wasTyping = document.activeElement === prompt;

  // The form for the text of the composer, which is newer than the draft that the server has.
  const offerToKeep = () => {
    const form = $("prompt-keep");
    const text = prompt.value.trim();
    const saved = [...sheet.querySelectorAll("[aria-labelledby=prompts-saved] .row")];
    form.hidden = !text || saved.some(({ value }) => value === text);
    form.elements.text.value = text;
    form.querySelector("q").textContent = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  };

  const say = (sentence) => ($("prompt-notice").textContent = sentence);

  // Replaces the results.
  const load = async (address, options, part) => {
    const mine = ++latest;
    sheet.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { ...options, headers: { "HX-Request": "true" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== latest) return;
      const found = page.getElementById(part);
      if (!found) return say(answer.status === 401 ? "You are logged out." : DOWN);
      $(part).replaceWith(found);
      offerToKeep();
    } catch {
      if (mine === latest) say(DOWN);
    } finally {
      if (mine === latest) sheet.removeAttribute("aria-busy");
    }
  };
  const search = (part) => {
    const form = sheet.querySelector(".prompt-find");
    const fields = new URLSearchParams(new FormData(form));
    const folder = $("folder"); // of a new session: another one may have been chosen since
    if (folder) fields.set("folder", folder.value);
    return load(`${form.getAttribute("action")}?${fields}`, {}, part);
  };

  // --- inserting --------------------------------------------------------------------------

  const insert = (text) => {
    const { value, selectionStart: start, selectionEnd: end } = prompt;
    const gap = text.includes("\n") ? "\n\n" : " ";
    const before = start && !/\s$/.test(value.slice(0, start)) ? gap : "";
    const after = end < value.length && !/^\s/.test(value.slice(end)) ? gap : "";
    prompt.setRangeText(before + text + after, start, end, "end");
    const caret = prompt.selectionEnd - after.length;
    prompt.setSelectionRange(caret, caret);
    prompt.dispatchEvent(new Event("input", { bubbles: true })); // the draft is saved as if it was typed
    sheet.hidePopover();
    // not where it would open the keyboard of a phone over what was inserted
    if (wasTyping || isFine) prompt.focus();
    prompt.scrollTop = prompt.scrollHeight;
  };

  sheet.addEventListener("click", (event) => {
    const row = event.target.closest("button[name=text]");
    if (!row) return;
    event.preventDefault();
    insert(row.value.replaceAll("\r\n", "\n"));
  });

  // --- searching and saving ---------------------------------------------------------------

  let timer = 0;
  sheet.addEventListener("input", ({ target }) => {
    if (target.id !== "prompt-find") return;
    clearTimeout(timer);
    timer = setTimeout(search, TYPING_MS, "prompt-results");
  });
  sheet.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    event.preventDefault();
    event.stopPropagation();
    clearTimeout(timer);
    if (form.id !== "prompt-keep") return search("prompt-results");
    load(form.getAttribute("action"), { method: "POST", body: new FormData(form, submitter) }, "prompt-results");
  });

  sheet.addEventListener("beforetoggle", ({ newState }) => {
    if (newState !== "open") return;
    wasTyping = document.activeElement === prompt;
    $("prompt-find").value = ""; // here: a key may come before the event after opening
  });
  // A keyboard is at hand: one types what one looks for.
  const begin = () => isFine && $("prompt-find").focus();
  sheet.addEventListener("toggle", ({ newState }) => {
    if (newState !== "open") return;
    search("prompt-results"); // not the field: somebody may be typing in it
    begin();
  });
  offerToKeep();
  begin();
})();

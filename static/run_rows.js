// Answers in the rows of sessions: sent by fetch, so that a row stays where the network fails, and can
// be answered again. Without this script the rows' forms lead back to their page.
"use strict";

(() => {
  const PATIENCE_MS = 20000;
  const UNSENT = "Not sent: no connection. Tap to try again.";
  const BACK = "The connection is back. Tap again.";
  const unsent = new Set(); // the addresses of the forms that failed

  const noteIn = (form, sentence) => {
    form.querySelector(".run-note")?.remove(); // a new one is read out again
    const note = document.createElement("p");
    note.className = "run-note";
    note.setAttribute("role", "alert");
    note.textContent = sentence;
    form.append(note);
  };
  // The server has refused: what it says stands above the rows, which may have changed.
  const showRefusal = (form, sentence) => {
    const note = document.createElement("p");
    note.id = "refusal";
    note.className = "error-note";
    note.setAttribute("role", "alert");
    note.textContent = sentence;
    form.closest("main > [data-fresh]").before(note);
  };

  const post = async (form, submitter) => {
    const body = new URLSearchParams(new FormData(form, submitter));
    body.set("follows", "1"); // this page shows by itself when what was stopped has ended
    try {
      const answer = await fetch(form.action, { method: "POST", body, keepalive: true, signal: AbortSignal.timeout(PATIENCE_MS) });
      // of a proxy, or the way to another page than this one, to which the server leads back
      const isElsewhere = answer.redirected && new URL(answer.url).pathname !== location.pathname;
      if (!answer.headers.has("X-Opcode") || isElsewhere) return { status: 0 };
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      return { status: answer.status, page };
    } catch {
      return { status: 0 };
    }
  };

  document.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    const row = form.closest(".run");
    if (!row || form.method !== "post") return;
    event.preventDefault();
    // busy, as feedback.js marks what is on its way
    submitter?.setAttribute("aria-busy", "true");
    row.dataset.held = "";
    const { status, page } = await post(form, submitter);
    submitter?.removeAttribute("aria-busy");
    delete row.dataset.held;
    document.getElementById("refusal")?.remove();
    if (!status) {
      unsent.add(form.action);
      return noteIn(form, UNSENT);
    }
    if (status === 401) return location.reload(); // it leads to the login, and back
    unsent.delete(form.action);
    form.querySelector(".run-note")?.remove();
    form.closest(".run-menu:popover-open")?.hidePopover();
    if (status >= 400) showRefusal(form, page.querySelector("main .card > p:not(.muted)")?.textContent ?? "That did not work.");
    return document.dispatchEvent(new CustomEvent("opcode:answered", { detail: status < 400 ? page : null }));
  }, true);

  // A newer page, which shows that the server answers again, has a note below the forms that it still has.
  document.addEventListener("opcode:refreshing", ({ detail: page }) => {
    for (const action of unsent) {
      const form = [...page.forms].find((each) => each.action === action);
      if (form) noteIn(form, BACK);
      else unsent.delete(action);
    }
  });
})();

// Shows the folder picker in a sheet over the page that asks for a folder, and lists while one types.
// Without it the same links and forms lead to the picker's own page, and back.
//
// The page has an element #project with a field #folder and a submit button .project-chip, which
// leads to the picker. When a folder is chosen, #project is taken from the page that comes back.
"use strict";

(() => {
  const TYPING_MS = 150; // after the last key
  const OPENER = "#project .project-chip";
  const DOWN = "The server does not answer. Try again.";
  const $ = (id, page = document) => page.getElementById(id);

  let latest = 0; // requests that were overtaken are forgotten

  const load = async (address, options = {}) => {
    const mine = ++latest;
    const answer = await fetch(address, { headers: { Accept: "text/html" }, ...options });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return mine === latest ? { page, address: answer.url, ok: answer.ok } : null;
  };

  const request = (form, button) => {
    const data = new FormData(form, button);
    data.delete("files"); // they have been uploaded when they were chosen
    const address = button?.hasAttribute("formaction") ? button.formAction : form.getAttribute("action");
    if (form.method === "post") return [address, { method: "POST", body: data }];
    return [`${address}?${new URLSearchParams(data)}`];
  };

  // --- listing while one types -------------------------------------------------------------

  let timer = 0;
  document.addEventListener("input", ({ target }) => {
    if (target.id !== "folder-find") return;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const loaded = await load(...request(target.form)).catch(() => null);
      const found = loaded && $("folder-results", loaded.page);
      if (found) $("folder-results").replaceWith(found);
    }, TYPING_MS);
  });

  // --- the sheet ---------------------------------------------------------------------------

  const project = $("project");
  if (!project || !window.HTMLDialogElement) return;

  const sheet = document.createElement("dialog");
  sheet.className = "folder-sheet";
  sheet.setAttribute("aria-labelledby", "folder-sheet-title");
  const head = document.createElement("div");
  head.className = "folder-sheet-head";
  const title = document.createElement("h2");
  title.id = "folder-sheet-title";
  title.tabIndex = -1;
  title.textContent = "Choose a folder";
  const close = document.createElement("button");
  close.type = "button";
  close.className = "nav-close";
  close.setAttribute("aria-label", "Close");
  close.textContent = "×";
  head.append(title, close);
  const body = document.createElement("div");
  body.className = "folder-sheet-body";
  sheet.append(head, body);
  document.body.append(sheet);

  const complain = (sentence) => {
    const note = document.createElement("p");
    note.className = "error-note";
    note.setAttribute("role", "alert");
    note.textContent = sentence;
    for (const each of body.querySelectorAll(".error-note, .folder-wait")) each.remove();
    body.prepend(note);
  };

  const take = (theirs) => {
    const field = $("folder");
    field.value = theirs.querySelector("#folder").value;
    for (const each of [...project.children]) if (each !== field) each.remove();
    for (const each of [...theirs.children]) if (each.id !== "folder") project.append(each);
    field.dispatchEvent(new Event("input", { bubbles: true })); // the draft is for this folder now
    sheet.close();
    const prompt = $("prompt");
    (prompt.value ? document.querySelector(OPENER) : prompt).focus();
  };

  const show = async (address, options) => {
    sheet.setAttribute("aria-busy", "true");
    try {
      const loaded = await load(address, options);
      if (!loaded) return;
      const picker = $("folders", loaded.page);
      const theirs = $("project", loaded.page);
      if (picker) {
        body.replaceChildren(picker);
        body.scrollTop = 0;
        title.focus();
      } else if (!loaded.ok) complain(loaded.page.querySelector(".error-note, main p")?.textContent || DOWN);
      else if (theirs) take(theirs);
      else location.assign(loaded.address); // logged out, for one
    } catch {
      complain(DOWN);
    } finally {
      for (const each of sheet.querySelectorAll("[aria-busy]")) each.removeAttribute("aria-busy");
      sheet.removeAttribute("aria-busy");
    }
  };

  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    const opens = submitter?.matches(OPENER);
    if (!opens && !sheet.contains(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (opens) {
      const wait = document.createElement("p");
      wait.className = "folder-note folder-wait";
      wait.textContent = "Looking…";
      body.replaceChildren(wait);
      sheet.showModal();
      title.focus();
    } else submitter?.setAttribute("aria-busy", "true");
    show(...request(form, submitter));
  }, true);

  sheet.addEventListener("click", (event) => {
    if (event.target === sheet || close.contains(event.target)) return sheet.close();
    const link = event.target.closest("a[href]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    link.setAttribute("aria-busy", "true");
    show(link.href);
  });
  sheet.addEventListener("close", () => ++latest);
  addEventListener("pagehide", () => sheet.open && sheet.close()); // else Back would show it open
})();

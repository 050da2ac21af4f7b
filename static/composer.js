// The composer of a session's page, or of the page for a new one: typed text and chosen files, which
// the server keeps until they are sent.
"use strict";

(() => {
  const SAVE_MS = 600; // after the last key
  const LONGEST_MS = 15000; // for an answer, before there is said to be no connection
  const AGAIN_MS = 5000; // after that it is tried whether there is a connection again
  const SAFE_BYTES = 60000; // the size that browsers still send when a page unloads
  const $ = (id) => document.getElementById(id);
  const composer = $("composer");
  const prompt = $("prompt");
  const files = $("files");
  const { address } = composer.dataset;
  const folder = $("folder"); // of a new session
  if (prompt.autofocus) prompt.setSelectionRange(prompt.value.length, prompt.value.length); // after the words so far
  const page = $("prompt-id").value; // distinguishes text typed here from text typed elsewhere

  // A proxy, or the page of a hotel's network, answers as well while the server does not.
  // Nor do we lead any of these requests to another page, such as the login.
  const isOurs = (answer) => answer?.headers.has("X-Opcode") && !answer.redirected;

  // To failure_notices.js.
  const complain = (sentence, isFurther = false) =>
    composer.dispatchEvent(new CustomEvent("opcode:refused", { detail: { sentence, isFurther } }));

  // --- the draft --------------------------------------------------------------------------

  let kept = $("draft").value; // the server's text, as far as this page knows
  let keptFolder = folder?.value;
  let timer = 0;

  // With the prompts that are on their way, or did not get there (sending.js).
  const unsent = () => [...document.querySelectorAll("#sending > :not([data-state=sent], [data-state=maybe])")];
  const words = () => [...unsent().map((each) => each.querySelector(".prompt-text").textContent), prompt.value].filter(Boolean).join("\n\n");
  let mixed = false; // whether the server's draft has more than a prompt that is on its way

  // Text that the server does not have stays in the tab until it does: the page may be discarded before, or left
  // for the login. With the server's text over which it was typed. sending.js keeps that of #sending.
  const { base = "" } = document.documentElement.dataset; // the path below which the app is served
  const stored = `unsaved ${base}/ ${address}`;
  const left = `left ${base}/ ${address}`; // what was being saved when the page went: see logout.js
  let isSent = false; // by the form of a new session: what fails after that is of no interest
  let isFailing = false; // what was saved last
  const isCutOff = () => isFailing || document.body.dataset.link === "offline";
  let atLogout = null; // the text when somebody logged out in another tab: not for the next login
  const rememberAs = (key, isNeeded) => {
    if (isSent) return;
    const text = isNeeded && words() !== kept && prompt.value !== atLogout ? prompt.value : "";
    try {
      if (text) sessionStorage.setItem(key, JSON.stringify({ text, over: kept ?? "" }));
      else sessionStorage.removeItem(key);
    } catch {} // full or forbidden: only this page has it
  };
  const remember = () => rememberAs(stored, isCutOff());
  document.addEventListener("opcode:logout", () => { atLogout = prompt.value; });
  const restore = () => {
    let unsaved = null;
    try {
      unsaved = JSON.parse(sessionStorage.getItem(stored));
    } catch {}
    if (!unsaved) return;
    const { text, over } = unsaved;
    const now = prompt.value;
    const has = (whole, part) => whole.startsWith(part) || `${whole}\n\n`.includes(`\n\n${part}\n\n`);
    if (has(now, text)) return remember(); // it was saved
    prompt.value = now === over || has(text, now) ? text : `${now}\n\n${text}`; // changed elsewhere: both
    isFailing = true; // until it is saved
    saveSoon();
  };

  let replaced = null; // the server's text before that of this page, until that has come back as an update
  const save = (mayLeave = true) => {
    const text = words();
    if (text === kept && folder?.value === keptFolder) {
      remember();
      return null;
    }
    replaced ??= $("draft").value;
    mixed ||= prompt.value && unsent().length;
    const body = new URLSearchParams({
      csrf_token: composer.elements.csrf_token.value,
      prompt_id: (!prompt.value && unsent()[0]?.dataset.form) || $("prompt-id").value,
      prompt: text,
      by: page,
      folder: folder?.value ?? "",
    });
    const chosen = folder?.value;
    const keepalive = mayLeave && String(body).length < SAFE_BYTES;
    return fetch(`${address}/draft`, { method: "POST", body, keepalive }).then((answer) => {
      const isKept = answer.ok && isOurs(answer);
      if (isKept) {
        kept = text;
        keptFolder = chosen;
        atLogout = null;
      }
      isFailing = !isKept;
      remember();
      return answer;
    }, () => {
      isFailing = true;
      remember();
      return null;
    });
  };
  const saveSoon = () => {
    remember();
    clearTimeout(timer);
    timer = setTimeout(save, SAVE_MS);
  };
  restore();
  prompt.addEventListener("input", saveSoon);
  prompt.addEventListener("opcode:completed", saveSoon);
  prompt.addEventListener("keydown", (event) => {
    if (event.isComposing || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    composer.requestSubmit();
  });

  // Text typed elsewhere is shown, unless it would replace text typed here: an update may be older than that.
  const takeOver = () => {
    const { value, dataset } = $("draft");
    if (dataset.by === page) replaced = null;
    if (value === replaced) return;
    if (prompt.readOnly) return; // its text is on the way to the server
    if (dataset.by !== page && words() === kept && prompt.value === kept) prompt.value = kept = value;
  };

  folder?.addEventListener("input", saveSoon);

  // The form of a new session leaves the page. Without a connection that would be for the browser's own
  // error page, and the words and files would be lost: so the draft goes ahead, or a question without one.
  const ask = () => {
    const headers = { "X-CSRF-Token": composer.elements.csrf_token.value };
    return fetch(`${address}/complete?q=`, { headers }).catch(() => null);
  };
  let asking = null; // the button that was pressed
  let isReached = false;
  let isLoggedOut = false; // then the form leads to the login, and the words are needed after it
  let unreached = null; // the note that says so, until the server answers again
  const tryAgain = async () => {
    const said = unreached;
    if (!said?.isConnected || asking || document.hidden) return;
    if (!isOurs(await (save(false) ?? ask())) || !said.isConnected || asking) return;
    said.className = "note";
    said.textContent = "The connection is back. Press Send again.";
    unreached = null;
  };
  const sendOnceReached = async (submitter) => {
    $("flash").replaceChildren();
    asking = submitter ?? composer;
    asking.setAttribute("aria-busy", "true");
    const late = new Promise((done) => setTimeout(done, LONGEST_MS, null));
    const answer = await Promise.race([save(false) ?? ask(), late]);
    asking.removeAttribute("aria-busy");
    asking = null;
    if (!isOurs(answer)) {
      complain("Not sent: no connection. Your words are kept; try again once you are online.");
      unreached = $("flash").firstElementChild;
      return;
    }
    isLoggedOut = answer.status === 401;
    isReached = true;
    composer.requestSubmit(submitter);
    isReached = false;
  };
  if (folder) composer.addEventListener("submit", (event) => {
    clearTimeout(timer);
    if (isReached) {
      if (isLoggedOut) return;
      // A tapped suggestion is the prompt: the text in the field must not replace it.
      kept = prompt.value;
      remember();
      isSent = true;
      return;
    }
    event.preventDefault();
    if (!asking) sendOnceReached(event.submitter);
  });
  if (folder) {
    setInterval(tryAgain, AGAIN_MS);
    addEventListener("online", tryAgain);
  }
  addEventListener("online", saveSoon);
  addEventListener("pageshow", () => { isSent = false; }); // also of a page that the browser has kept
  addEventListener("pagehide", () => {
    remember();
    rememberAs(left, !isCutOff());
    save();
  });
  document.addEventListener("visibilitychange", () => document.hidden && save());
  document.addEventListener("htmx:ws:after:connection", saveSoon);
  document.addEventListener("htmx:ws:after:message:incoming", takeOver);

  composer.addEventListener("htmx:config:request", (event) => event.target === composer && clearTimeout(timer));
  composer.addEventListener("opcode:sending", ({ detail: { isSent, text } }) => {
    files.value = ""; // the server has stored them, or has refused them finally
    // The server removes the sent text from the draft, but no other one.
    const isEmpty = isSent && !mixed && ["", text].includes(kept?.trim());
    kept = isEmpty ? "" : null;
    mixed = false;
    saveSoon();
  });

  // A request of a button that sends the text as well locks the field until the response.
  document.addEventListener("htmx:before:request", ({ target }) => {
    if (!target.matches?.("[hx-include='#prompt']")) return;
    clearTimeout(timer);
    prompt.readOnly = true;
  });
  document.addEventListener("htmx:finally:request", ({ target, detail: { ctx } }) => {
    if (target === files) {
      files.value = ""; // they are in the draft, or were refused
      if (refusal) complain(refusal, true);
      refusal = "";
    }
    if (!prompt.readOnly) return;
    prompt.readOnly = false;
    if (ctx.response?.status < 400 && !ctx.isForeign) kept = prompt.value; // it is in the draft that was sent back
    else saveSoon();
    takeOver();
    prompt.focus();
  });

  // A tap beside the field leaves the keyboard open: without it the dock would be another one before the
  // finger is up, or taps on.
  document.addEventListener("mousedown", (event) => {
    const { target } = event;
    if (target !== prompt && target.closest?.(".composer-row, .state .button, .chip, .attached .button, #flash a")) event.preventDefault();
  });

  // --- files ------------------------------------------------------------------------------

  let refusal = ""; // for files that were not sent at all
  const attach = (event, data) => {
    // text copied from an office program also contains an image of itself
    if (!data?.files.length || data.getData("text/plain")) return;
    event.preventDefault();
    files.files = data.files;
    files.dispatchEvent(new Event("change", { bubbles: true }));
  };
  prompt.addEventListener("paste", (event) => attach(event, event.clipboardData));
  composer.addEventListener("dragover", (event) => event.preventDefault());
  composer.addEventListener("drop", (event) => attach(event, event.dataTransfer));
  files.addEventListener("change", (event) => {
    const { most } = files.dataset;
    const large = [...files.files].filter((file) => file.size > most);
    if (!large.length) return;
    const others = new DataTransfer();
    for (const file of files.files) if (file.size <= most) others.items.add(file);
    files.files = others.files;
    refusal = `${large.map(({ name }) => `“${name}”`).join(", ")} ${large[1] ? "are" : "is"} too large. A file may have ${most / 1e6} MB.`;
    if (files.files.length) return;
    event.stopImmediatePropagation();
    complain(refusal);
    refusal = "";
  }, true);

  // Files chosen before the scripts had loaded, or restored by the browser.
  const takeUp = () => files.files.length && files.dispatchEvent(new Event("change", { bubbles: true }));
  files.addEventListener("htmx:after:init", takeUp, { once: true });
  addEventListener("pageshow", ({ persisted }) => persisted && takeUp());
})();

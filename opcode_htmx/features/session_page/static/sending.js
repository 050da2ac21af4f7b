// Shows a prompt in the transcript as soon as it is sent, until the server's own block is there. One
// that did not arrive stays with its words, and can be sent again: the server accepts each once.
"use strict";

(() => {
  const RETRY_MS = 300000; // for so long it is sent again by itself once the server answers
  const ACCEPTED_MS = 4000; // a command may have no block of its own
  const DOUBLE_TAP_MS = 1000;
  const TAPPING_MS = 5000; // who taps on for longer means Stop
  const $ = (id) => document.getElementById(id);
  const composer = $("composer");
  const prompt = $("prompt");
  const list = $("sending");
  const { base = "" } = document.documentElement.dataset; // the path below which the app is served
  const stored = `sending ${base}/ ${location.pathname}`;
  const bubbles = new Map(); // each bubble's form data and state
  let retried = null; // the bubble whose data are sent instead of the form's
  let justSent = 0;
  let armedAt = 0;

  // --- bubbles ----------------------------------------------------------------------------

  const store = () => {
    const kept = [...bubbles.values()].filter(({ id, isForgotten }) => !id && !isForgotten).map(({ data, at, after }) => {
      const fields = [...data].filter(([name, value]) => name !== "csrf_token" && typeof value === "string");
      return { fields, at, after };
    });
    try {
      if (kept.length) sessionStorage.setItem(stored, JSON.stringify(kept));
      else sessionStorage.removeItem(stored);
    } catch {} // full or forbidden: the draft has the words as well
  };

  document.addEventListener("opcode:logout", () => {
    for (const each of bubbles.values()) each.isForgotten = true; // not for the next login
  });

  const button = (label, action) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "button button-quiet";
    made.textContent = label;
    made.addEventListener("click", action);
    return made;
  };

  // Only a connection that comes back sends by itself: where there is one, the request alone has failed.
  const isRetried = ({ at }) => document.body.dataset.link !== "online" && Date.now() - at < RETRY_MS;
  const labelOf = (bubble) => {
    if (bubble.dataset.state === "maybe") return "Maybe sent already. Tap to send it again";
    return isRetried(bubbles.get(bubble)) ? "Not sent yet. Goes once back online" : "Not sent. Tap to try again";
  };
  const relabel = () => {
    for (const bubble of bubbles.keys()) {
      const label = bubble.querySelector(".sending-state .button");
      if (label && label.textContent !== labelOf(bubble)) label.textContent = labelOf(bubble);
    }
  };
  new MutationObserver(relabel).observe(document.body, { attributeFilter: ["data-link"] });

  const show = (bubble, state) => {
    const each = bubbles.get(bubble);
    each.state = state;
    const foot = bubble.lastElementChild;
    bubble.dataset.state = state === "failed" && isAlike(bubble) ? "maybe" : state;
    bubble.hidden = false;
    if (state === "sending") foot.textContent = "Sending…";
    else if (state === "sent") foot.textContent = "Sent";
    else {
      foot.replaceChildren(button(labelOf(bubble), () => send(bubble)), button("Edit", () => giveBack(bubble)));
      setTimeout(relabel, each.at + RETRY_MS - Date.now());
      bubble.scrollIntoView({ block: "nearest" });
      report(false); // the draft gets the words, too
    }
  };

  const add = (data, at = Date.now(), after = keyOf(prompts().at(-1))) => {
    const bubble = document.createElement("article");
    bubble.className = "block block-prompt";
    bubble.dataset.form = data.get("prompt_id"); // composer.js saves its words under it
    const tokens = data.getAll("attached");
    const files = [...$("attached").children].filter((item) => tokens.includes(tokenOf(item)));
    for (const item of files) item.remove();
    bubble.innerHTML = '<h2 class="visually-hidden">You</h2><div class="prompt-text" dir="auto"></div><p class="sending-state" role="status"></p>';
    bubble.children[1].textContent = wordsOf(data);
    if (tokens.length) bubble.children[1].insertAdjacentHTML("afterend", `<p class="muted">${tokens.length} file${tokens.length > 1 ? "s" : ""}</p>`);
    bubbles.set(bubble, { data, files, at, id: "", after });
    list.append(bubble);
    return bubble;
  };
  const tokenOf = (item) => item.querySelector("input").value;
  const wordsOf = (data) => data.get("suggested") || (data.get("prompt") ?? "");

  const remove = (bubble) => {
    bubbles.delete(bubble);
    bubble.remove();
    store();
  };
  // To composer.js, which keeps the draft: whether a prompt with this text has been accepted.
  const report = (isSent, text = "") => composer.dispatchEvent(new CustomEvent("opcode:sending", { detail: { isSent, text: text.trim() } }));

  const giveBack = (bubble) => {
    const { data, files } = bubbles.get(bubble);
    prompt.value = [wordsOf(data), prompt.value].filter(Boolean).join("\n\n");
    $("attached").append(...files.filter((item) => !document.querySelector(`#attached [value="${tokenOf(item)}"]`)));
    remove(bubble);
    report(false);
    prompt.focus();
  };

  const isShown = (id) => $(`b-${id}`) || document.querySelector(`#queue [data-prompt="${id}"]`);
  const prompts = () => [...document.querySelectorAll("#transcript > .block-prompt .prompt-text, #queue .prompt-text")];
  const keyOf = (words) => words?.closest("[data-prompt]")?.dataset.prompt ?? words?.closest(".block").id.replace(/^b-/, "");
  // Whether a prompt with these words came since. It may be another one, so nothing follows from it
  // but what is shown until the server has named the id.
  const isAlike = (bubble) => {
    const { data, after } = bubbles.get(bubble);
    const all = prompts();
    const newer = all.slice(all.findIndex((each) => keyOf(each) === after) + 1);
    return newer.some((each) => each.textContent.trim() === wordsOf(data).trim());
  };
  const settle = () => {
    for (const [bubble, { id, state, acceptedAt, data }] of bubbles) {
      const late = acceptedAt && Date.now() - acceptedAt > ACCEPTED_MS; // and a message has come since
      if (id && (isShown(id) || late)) remove(bubble);
      else bubble.hidden = state === "sending" && isAlike(bubble);
      if (id) continue;
      if (bubble.dataset.state === "failed" && isAlike(bubble)) show(bubble, "failed"); // as another one
      const tokens = data.getAll("attached"); // a newer list has them again
      for (const item of [...$("attached").children]) if (tokens.includes(tokenOf(item))) item.remove();
    }
  };

  // --- requests ---------------------------------------------------------------------------

  const send = (bubble) => {
    if (!window.htmx) return; // then it is sent once the socket is open
    retried = bubble;
    show(bubble, "sending");
    composer.requestSubmit();
  };

  // Send becomes Stop: the second tap of two is neither, nor is any that follows as fast, wherever in the row
  // it lands (feedback.js). Nor is one more while the request takes long, when Stop is in the status line.
  const arm = () => {
    armedAt = Date.now();
    hold();
  };
  const hold = () => {
    composer.dataset.justSent = "";
    clearTimeout(justSent);
    justSent = setTimeout(() => {
      if (isSending()) composer.dataset.justSent = "slow";
      else delete composer.dataset.justSent;
    }, DOUBLE_TAP_MS);
  };
  composer.addEventListener("pointerdown", ({ target }) => {
    if (target !== prompt && composer.dataset.justSent === "" && Date.now() - armedAt < TAPPING_MS) hold();
  });
  const isSending = () => [...bubbles.values()].some(({ state }) => state === "sending");
  let hadStop = Boolean($("stop").firstElementChild);
  const watchStop = () => {
    const has = Boolean($("stop").firstElementChild);
    if (has && !hadStop && Date.now() - armedAt < TAPPING_MS) arm();
    hadStop = has;
  };

  // Plain http has no crypto.randomUUID.
  const newId = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map(([from, to]) => digits.slice(from, to)).join("-");
  };

  // Another page may have sent what was here: what is typed now is another prompt.
  prompt.addEventListener("beforeinput", () => prompt.value || ($("prompt-id").value = newId()));

  composer.addEventListener("htmx:config:request", (event) => {
    if (event.target !== composer) return;
    const { request } = event.detail.ctx;
    let bubble = retried;
    retried = null;
    if (bubble) request.body = bubbles.get(bubble).data;
    else if (wordsOf(request.body).trim() || request.body.getAll("attached").length) {
      bubble = add(request.body);
      // not when a suggestion was tapped, which is another text
      if (!request.body.has("suggested") && prompt.value === request.body.get("prompt")) prompt.value = "";
      document.scrollingElement.scrollTo({ top: document.scrollingElement.scrollHeight, behavior: "instant" });
    }
    if (!bubble) {
      // An empty prompt, unless it is a tap more on one that is on its way.
      if ($("files").value) return; // on their way, too
      event.preventDefault();
      if (!isSending()) composer.dispatchEvent(new CustomEvent("opcode:refused", { detail: { sentence: composer.dataset.empty } }));
      return;
    }
    request.body.set("csrf_token", composer.elements.csrf_token.value);
    event.detail.ctx.bubble = bubble;
    show(bubble, "sending");
    store();
    arm();
    $("prompt-id").value = newId(); // the same words may be meant twice
  });

  composer.addEventListener("htmx:after:request", (event) => {
    const { bubble, isForeign, response } = event.detail.ctx;
    if (event.target !== composer || !bubbles.has(bubble)) return;
    arm();
    if (isForeign) return show(bubble, "failed");
    if (response.status >= 400) return giveBack(bubble); // the server says why
    Object.assign(bubbles.get(bubble), { id: response.headers.get("X-Prompt-Id"), acceptedAt: Date.now() });
    show(bubble, "sent");
    store();
    report(true, wordsOf(bubbles.get(bubble).data));
    setTimeout(settle);
  });
  composer.addEventListener("htmx:error", ({ target, detail: { ctx } }) => {
    if (target !== composer || !bubbles.has(ctx?.bubble)) return;
    arm();
    show(ctx.bubble, "failed");
  });

  document.addEventListener("htmx:ws:after:message:incoming", () => {
    settle();
    watchStop();
  });
  const retry = () => {
    for (const [bubble, { state, at }] of bubbles)
      if (state === "failed" && Date.now() - at < RETRY_MS && !isAlike(bubble)) send(bubble);
  };
  document.addEventListener("htmx:ws:after:connection", retry);
  addEventListener("online", retry);

  // --- what was on its way when the page was left -----------------------------------------

  const restore = () => {
    let kept = [];
    try {
      kept = JSON.parse(sessionStorage.getItem(stored)) ?? [];
    } catch {}
    for (const { fields, at, after } of kept) {
      const data = new FormData();
      for (const [name, value] of fields) data.append(name, value);
      const words = wordsOf(data);
      show(add(data, at, after), "failed");
      if (prompt.value.startsWith(words)) prompt.value = prompt.value.slice(words.length).trimStart();
    }
  };
  restore();
})();

// Copies links, texts and code, and wraps code; opens the copy menu of a block in place.
"use strict";

(() => {
  const SAID_MS = 2000;
  const $ = (id) => document.getElementById(id);

  // The displayed text, with its marks replaced by the characters they stand for.
  const original = (from) => {
    const copied = from.cloneNode(true);
    for (const mark of copied.querySelectorAll("[data-raw]")) {
      const runs = mark.dataset.raw.split(" ").map((run) => run.split("*"));
      mark.textContent = runs
        .map(([code, count]) => String.fromCodePoint(parseInt(code, 16)).repeat(count ?? 1))
        .join("");
    }
    const rows = copied.matches(".diff") ? [...copied.children] : [copied];
    return rows.map((row) => row.textContent).join("\n");
  };

  // Plain http has no clipboard API: there the text is selected and copied by a command. If that is
  // refused, it stays selected.
  const copy = async (from) => {
    const marked = from.querySelector("[data-raw]") && original(from);
    try {
      await navigator.clipboard.writeText(marked ?? from.value ?? from.innerText);
      return true;
    } catch {
      if (from.select) {
        from.focus();
        from.select();
      } else getSelection().selectAllChildren(from);
      return copySelection(marked);
    }
  };

  // `instead`: the text to copy in its place, or null.
  const copySelection = (instead) => {
    const replace = (event) => {
      event.clipboardData.setData("text/plain", instead);
      event.preventDefault();
    };
    if (instead !== null) document.addEventListener("copy", replace);
    try {
      return document.execCommand("copy");
    } finally {
      document.removeEventListener("copy", replace);
    }
  };

  const copyFor = async (button, from) => {
    const label = (button.dataset.label ??= button.textContent);
    button.textContent = (await copy(from)) ? "Copied" : "Selected: copy it now";
    setTimeout(() => (button.textContent = label), SAID_MS);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button) copyFor(button, $(button.dataset.copy));
  });

  const transcript = $("transcript");
  if (!transcript) return;

  // --- the copy menu of a block -----------------------------------------------------------

  const sheet = document.createElement("dialog");
  sheet.className = "sheet";
  sheet.ariaLabel = "Link, copy, fork";
  document.body.append(sheet);
  // To session.js, which says so.
  const reportMenu = (failed) => transcript.dispatchEvent(new CustomEvent("opcode:menu", { detail: failed }));

  // The displayed text of a block, or of the whole answer that a summary ends.
  const textOf = (block) => {
    const texts = [];
    for (let each = block; each; each = each.previousElementSibling) {
      if (each.matches(".block-prompt")) break;
      if (each === block || each.matches(".block-text")) texts.unshift(each.querySelector(".parts")?.innerText.trim());
      if (!block.matches(".block-summary")) break;
    }
    return texts.filter(Boolean).join("\n\n");
  };

  transcript.addEventListener("click", async (event) => {
    const link = event.target.closest(".more");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const answer = await fetch(link.href).catch(() => null);
    // logged out, or the block is gone: the server says so on a page of its own
    if (answer?.status >= 400 && answer.status < 500) return location.assign(link.href);
    const html = answer?.ok ? await answer.text().catch(() => "") : "";
    const box = new DOMParser().parseFromString(html, "text/html").getElementById("share");
    reportMenu(!box);
    if (!box) return;
    const plain = box.querySelector("#share-plain");
    if (plain) {
      plain.value = textOf(link.parentElement);
      plain.closest(".field").hidden = false;
    }
    const close = document.createElement("form");
    close.method = "dialog";
    close.innerHTML = '<button class="button">Close</button>';
    sheet.replaceChildren(box, close);
    sheet.showModal();
  });
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());

  // --- code ------------------------------------------------------------------------------

  const tools = document.createElement("div");
  tools.className = "code-tools";
  tools.hidden = true;
  const tool = (label) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    button.textContent = label;
    tools.append(button);
    return button;
  };
  const wrap = tool("Wrap");
  const copyCode = tool("Copy");
  document.body.append(tools);
  let code = null;

  const isWrapped = () => transcript.classList.contains("wrapped");
  const scrolls = (box) => box && box.scrollWidth > box.clientWidth;
  const place = () => {
    const box = code.closest(".numbered") ?? code;
    const { top, right } = box.getBoundingClientRect();
    wrap.hidden = !(scrolls(box) || (isWrapped() && box.matches(".md pre, .numbered, .diff")));
    wrap.ariaPressed = isWrapped();
    tools.style.top = `${top + scrollY + 4}px`;
    tools.style.left = `${right - 4}px`;
    tools.hidden = false;
  };

  const offer = (event) => {
    if (tools.contains(event.target)) return;
    const over = event.target.closest?.("#transcript pre");
    if (!over) {
      tools.hidden = (document.activeElement !== code && !tools.contains(document.activeElement)) || !code?.isConnected;
      return;
    }
    code = over;
    place();
  };
  document.addEventListener("pointerover", offer);
  document.addEventListener("focusin", offer);
  addEventListener("resize", () => (tools.hidden = true)); // the code is elsewhere now
  copyCode.addEventListener("click", () => copyFor(copyCode, code));
  // All code of the page, also what comes later; this one stays where it is.
  wrap.addEventListener("click", () => {
    const { top } = code.getBoundingClientRect();
    transcript.classList.toggle("wrapped");
    scrollBy({ top: code.getBoundingClientRect().top - top, behavior: "instant" });
    place();
  });
})();

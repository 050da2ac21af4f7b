// Completes in the composer a command at the start of the text, or a file after an @.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const { dataset, elements } = $("composer");
  const prompt = $("prompt");
  const list = $("completions");
  let chosen = 0;
  let asked = null;

  const word = () => {
    const before = prompt.value.slice(0, prompt.selectionEnd);
    return /^\/[\w:.-]*$/.exec(before)?.[0] ?? /(?:^|\s)(@\S*)$/.exec(before)?.[1];
  };

  const choose = (index) => {
    const options = list.children;
    options[chosen]?.removeAttribute("aria-selected");
    chosen = (index + options.length) % options.length;
    options[chosen].setAttribute("aria-selected", "true");
    options[chosen].scrollIntoView({ block: "nearest" });
    prompt.setAttribute("aria-activedescendant", options[chosen].id);
  };

  const close = () => {
    list.hidden = true;
    asked = null;
    prompt.removeAttribute("aria-activedescendant");
  };

  const suggest = async () => {
    const query = word();
    if (!query) return close();
    if (query === asked) return;
    asked = query;
    const asks = new URLSearchParams({ q: query, folder: $("folder")?.value ?? "" });
    const headers = { "X-CSRF-Token": elements.csrf_token.value };
    const answer = await fetch(`${dataset.address}/complete?${asks}`, { headers }).catch(() => null);
    const isOurs = answer?.headers.has("X-Opcode") && !answer.redirected; // not a proxy's, nor the login
    const html = answer?.ok && isOurs ? await answer.text() : "";
    if (asked !== query) return; // a later query has been sent, or none is needed any more
    list.innerHTML = html;
    list.hidden = !list.children.length;
    if (!list.hidden) choose(0);
  };

  const complete = (option) => {
    const end = prompt.selectionEnd;
    prompt.setRangeText(option.dataset.insert, end - word().length, end, "end");
    close();
    prompt.dispatchEvent(new Event("opcode:completed")); // composer.js saves the text
    prompt.focus();
  };

  prompt.addEventListener("input", (event) => event.isComposing || suggest());
  if (document.activeElement === prompt && prompt.value !== prompt.defaultValue) suggest(); // typed before this script came
  prompt.addEventListener("blur", close);
  $("composer").addEventListener("submit", close); // the text leaves the field
  list.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus in the field
  list.addEventListener("click", ({ target }) => {
    const option = target.closest("li");
    if (option && word()) complete(option);
  });

  prompt.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // the key belongs to the input method
    if (event.defaultPrevented || list.hidden || !word()) return; // composer.js sends with Ctrl+Enter
    if (event.key === "Enter" || event.key === "Tab") complete(list.children[chosen]);
    else if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
})();

// Lists the files whose names match while one types; the form does the same without scripts.
"use strict";

(() => {
  const WAIT_MS = 150;
  const field = document.getElementById("file-find");
  const results = document.getElementById("file-results");
  const before = [...results.childNodes];
  let timer = 0;
  let running = null;

  const list = async () => {
    running?.abort();
    const { form } = field;
    if (!field.value.trim()) {
      results.replaceChildren(...before);
      return;
    }
    running = new AbortController();
    const query = new URLSearchParams(new FormData(form));
    results.ariaBusy = "true";
    const answer = await fetch(`${form.action}?${query}`, { signal: running.signal }).catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("file-results");
    if (!found) return form.submit(); // the login has ended
    results.ariaBusy = null;
    results.replaceChildren(...found.childNodes);
  };

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(list, WAIT_MS);
  });
})();

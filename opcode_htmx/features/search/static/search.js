// Searches while a person types: the server's page, of which only the results are shown.
"use strict";

(() => {
  const PAUSE_MS = 150;
  const form = document.getElementById("search");
  if (!form) return;
  let timer = 0;
  let asked = new AbortController();

  const address = () => {
    const fields = [...new FormData(form)].filter(([, value]) => value);
    return `${form.action}?${new URLSearchParams(fields)}`;
  };

  const find = async () => {
    clearTimeout(timer);
    asked.abort();
    asked = new AbortController();
    const found = document.getElementById("found");
    const url = address();
    found.ariaBusy = "true";
    try {
      const answer = await fetch(url, { signal: asked.signal });
      if (!answer.ok) return form.submit(); // the page says what is wrong
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      found.replaceWith(page.getElementById("found"));
      document.title = page.title;
      history.replaceState(history.state, "", url); // a reload and the way back find the same
    } catch (error) {
      if (error.name !== "AbortError") found.ariaBusy = null;
    }
  };

  form.addEventListener("input", ({ isComposing }) => {
    clearTimeout(timer);
    if (!isComposing) timer = setTimeout(find, PAUSE_MS);
  });
  form.addEventListener("compositionend", () => (timer = setTimeout(find, PAUSE_MS)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation(); // no other page comes
    document.activeElement.blur(); // the keyboard covers the results
    find();
  });
})();

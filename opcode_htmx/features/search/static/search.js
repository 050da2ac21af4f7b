// Searches while a person types: fetches the results alone.
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
      const answer = await fetch(url, { signal: asked.signal, headers: { "X-Part": "found" } });
      if (!answer.ok) return form.submit(); // the page says what is wrong
      const parts = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!parts.getElementById("found")) return form.submit(); // the login has ended
      for (const id of ["filters", "found"]) document.getElementById(id).replaceWith(parts.getElementById(id));
      document.title = `${form.elements.q.value || "Search"} · opcode`;
      history.replaceState(history.state, "", url); // a reload and the way back find the same
    } catch (error) {
      if (error.name === "AbortError") return;
      found.ariaBusy = null;
      found.textContent = "No connection. Tap Search to try again.";
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
    form.querySelector("details").open = false;
    scrollTo({ top: 0 });
    find();
  });
})();

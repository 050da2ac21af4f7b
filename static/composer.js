// The composer of a session's page: what is typed, until it is sent. It comes after the first paint.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const composer = $("composer");
  const prompt = $("prompt");

  composer.addEventListener("htmx:after:request", (event) => {
    const { request, response } = event.detail.ctx;
    if (response.status >= 400) return;
    // Only what was sent is cleared: a person may have gone on typing.
    if (prompt.value === request.body.get("prompt")) prompt.value = "";
  });

  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      composer.requestSubmit();
    }
  });
})();

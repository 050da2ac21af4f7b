// The session page's own script: what htmx cannot know. Keeps the cursor current, the reader's
// place, opened details and the draft; says when the page is cut off. Everything else is HTML.
"use strict";

(() => {
  const SILENCE_MS = 40000; // the server says something every 15 s
  const NEAR_END_PX = 80;
  const $ = (id) => document.getElementById(id);
  const composer = $("composer");
  const prompt = $("prompt");
  const jump = $("jump");
  let connection = null;
  let heardAt = Date.now();
  let atEnd = true;
  let missed = 0;

  // --- the socket -------------------------------------------------------------------------

  const offline = (text) => {
    document.body.dataset.link = "offline";
    $("status").textContent = text;
    $("status").dataset.phase = "offline";
  };

  document.addEventListener("htmx:ws:before:connection", (event) => {
    connection = event.detail.connection;
  });

  document.addEventListener("htmx:ws:after:connection", () => {
    document.body.dataset.link = "online";
    heardAt = Date.now();
  });

  document.addEventListener("htmx:ws:before:message:incoming", () => {
    heardAt = Date.now();
    atEnd = isAtEnd();
  });

  document.addEventListener("htmx:ws:after:message:incoming", (event) => {
    // Each connect names what this page has, so nothing is sent twice and nothing is left out.
    const url = new URL(event.detail.connection.url);
    url.searchParams.set("cursor", $("cursor").value);
    event.detail.connection.url = url.href;
    openAgain();
    follow();
  });

  document.addEventListener("htmx:ws:close", (event) => {
    const comesBack = event.detail.code !== 1000 && event.detail.code !== 1008;
    if (event.detail.reason === "closed" && !document.hidden) {
      const since = new Date(heardAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      offline(comesBack ? `Offline. Last update at ${since}.` : "Cut off. Reload the page.");
    }
  });

  // A socket may die without a word; closing it makes htmx connect anew.
  setInterval(() => {
    if (!document.hidden && Date.now() - heardAt > SILENCE_MS && connection?.socket) {
      heardAt = Date.now();
      connection.socket.close();
    }
  }, 5000);

  // A page from the back-forward cache has a socket that was closed for good.
  addEventListener("pageshow", (event) => event.persisted && location.reload());

  // --- the reader's place -----------------------------------------------------------------

  const page = document.scrollingElement;
  const isAtEnd = () => page.scrollHeight - page.scrollTop - innerHeight < NEAR_END_PX;
  const toEnd = () => page.scrollTo({ top: page.scrollHeight, behavior: "instant" });

  const follow = () => {
    if (atEnd) toEnd();
    else if (!isAtEnd()) missed += 1;
    jump.hidden = isAtEnd() || !missed;
  };

  addEventListener("scroll", () => {
    if (isAtEnd()) {
      missed = 0;
      jump.hidden = true;
    }
  }, { passive: true });

  jump.addEventListener("click", toEnd);

  // What a person opened stays open when a newer version of it arrives.
  const opened = new Map();
  document.addEventListener("toggle", (event) => {
    if (event.target.id) opened.set(event.target.id, event.target.open);
  }, true);
  const openAgain = () => {
    for (const [id, open] of opened) {
      const details = $(id);
      if (!details) opened.delete(id);
      else if (details.open !== open) details.open = open;
    }
  };

  // --- the composer -----------------------------------------------------------------------

  let sent = "";
  composer.addEventListener("htmx:before:request", (event) => {
    sent = event.detail.ctx.request.submitter?.name === "prompt" ? null : prompt.value;
  });

  composer.addEventListener("htmx:after:request", (event) => {
    // Only what was sent is cleared: a person may have gone on typing.
    if (event.detail.ctx.response.status < 400 && prompt.value === sent) prompt.value = "";
    toEnd();
  });

  document.addEventListener("htmx:error", (event) => {
    if (!event.detail.ctx?.request) return;
    const note = document.createElement("p");
    note.className = "error-note";
    note.textContent = "That could not be sent: the server does not answer. Try again.";
    $("flash").replaceChildren(note);
  });

  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      composer.requestSubmit();
    }
  });

  // The keyboard and the composer take room from the transcript; its end stays in view.
  new ResizeObserver(() => atEnd && toEnd()).observe(composer);
  if (!location.hash) toEnd();
})();

// The session page's own script: what htmx cannot know. Keeps the cursor current, the reader's
// place, opened details and the draft; says when the page is cut off. Everything else is HTML.
"use strict";

(() => {
  const SILENCE_MS = 40000; // the server says something every 15 s
  const FULL_MS = 8000;
  const NEAR_END_PX = 80;
  const TITLE_CHARACTERS = 80;
  const $ = (id) => document.getElementById(id);
  const transcript = $("transcript");
  const composer = $("composer");
  const jump = $("jump");
  let connection = null;
  let heardAt = Date.now(); // when the server last said something
  let waitingSince = Date.now(); // the same, or when a connection was tried since

  // --- the socket -------------------------------------------------------------------------

  const ago = (ms) => {
    const minutes = Math.floor(ms / 60000);
    if (minutes < 1) return "just now";
    return minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
  };

  let cutOff = false; // for good
  let full = false; // whether as many look at this server as it allows
  const offline = () => {
    document.body.dataset.link = "offline";
    const text = cutOff ? "Cut off. Reload the page." : full ? "Too many pages are open on this server. Trying again…" : `Offline. Last update ${ago(Date.now() - heardAt)}.`;
    const status = $("status");
    if (status.textContent !== text) status.textContent = text;
    status.dataset.phase = "offline";
  };

  // How long it has been so: counted here, by the server's clock, which may not be the phone's.
  let clocksApart = 0;
  const setClock = () => (clocksApart = Date.now() - 1000 * $("cursor").dataset.now);
  const tick = () => {
    if (document.body.dataset.link === "offline") return offline();
    const time = $("since").querySelector("time");
    if (!time) return;
    const ms = Math.max(0, Date.now() - clocksApart - 1000 * time.dataset.since);
    const phase = $("status").dataset.phase;
    const seconds = Math.floor(ms / 1000);
    let text = `${seconds} s`;
    if (phase === "ended") text = ago(ms);
    else if (phase === "idle") text = seconds < 60 ? "" : `for ${ago(ms).replace(" ago", "")}`;
    else if (seconds >= 3600) text = `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
    else if (seconds >= 60) text = `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
    if (time.textContent !== text) time.textContent = text;
  };
  setInterval(() => document.hidden || tick(), 1000);

  document.addEventListener("htmx:ws:before:connection", (event) => {
    connection = event.detail.connection;
    waitingSince = Date.now();
  });

  document.addEventListener("htmx:ws:after:connection", () => {
    document.body.dataset.link = "online";
    waitingSince = Date.now();
  });

  document.addEventListener("htmx:ws:before:message:incoming", () => {
    heardAt = waitingSince = Date.now();
    if (page.scrollTop < top) follows = toGo() < 2; // a move that no scroll event has told of yet
    holdFocus();
  });

  document.addEventListener("htmx:ws:after:message:incoming", (event) => {
    // Each connect names what this page has, so nothing is sent twice and nothing is left out.
    const url = new URL(event.detail.connection.url);
    url.searchParams.set("cursor", $("cursor").value);
    event.detail.connection.url = url.href;
    openAgain();
    giveFocusBack();
    nameThePage();
    setClock();
    tick();
    if (follows) toEnd();
    offerJump();
  });

  document.addEventListener("htmx:ws:close", (event) => {
    cutOff = event.detail.code === 1000 || event.detail.code === 1008;
    full = event.detail.code === 1013;
    // To be let in for a moment and sent away again counts as a success that is tried again at once.
    const wait = full ? { reconnectDelay: FULL_MS, reconnectMaxDelay: FULL_MS } : { reconnectDelay: 500, reconnectMaxDelay: 5000 };
    if (event.detail.connection?.config) Object.assign(event.detail.connection.config, wait);
    if (event.detail.reason === "closed" && !document.hidden) offline();
  });

  // A socket may die without a word; closing it makes htmx connect anew.
  setInterval(() => {
    if (!document.hidden && Date.now() - waitingSince > SILENCE_MS && connection?.socket) {
      waitingSince = Date.now();
      connection.socket.close();
    }
  }, 5000);
  document.addEventListener("visibilitychange", () => (waitingSince = Date.now()));

  // A page from the back-forward cache has a socket that was closed for good.
  addEventListener("pageshow", (event) => event.persisted && location.reload());

  // --- the reader's place -----------------------------------------------------------------

  const page = document.scrollingElement;
  const toGo = () => page.scrollHeight - page.scrollTop - innerHeight;
  let follows = false; // whether the view goes along with the end
  let top = 0;
  let seen = 0; // blocks that were there when the reader was last at the end

  const toEnd = () => {
    page.scrollTo({ top: page.scrollHeight, behavior: "instant" });
    follows = true;
    top = page.scrollTop;
  };

  const offerJump = () => {
    if (toGo() < NEAR_END_PX) seen = transcript.childElementCount;
    const missed = transcript.childElementCount - seen;
    const label = missed > 0 ? `Jump to newest (${missed})` : "Jump to newest";
    if (jump.textContent !== label) jump.textContent = label;
    jump.hidden = toGo() < NEAR_END_PX;
  };

  addEventListener("scroll", () => {
    // A finger that moves up wants to stay there, however close the end still is.
    follows = toGo() < (page.scrollTop < top ? 2 : NEAR_END_PX);
    top = page.scrollTop;
    offerJump();
  }, { passive: true });

  jump.addEventListener("click", () => {
    toEnd();
    offerJump();
  });

  // --- what came earlier ------------------------------------------------------------------

  const NEAR_TOP = "200% 0px 0px 0px"; // fetched before a reader gets there
  const order = (block) => block.dataset.order;
  const inOrder = (a, b) => order(a).localeCompare(order(b), undefined, { numeric: true });

  const nearTop = new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && showEarlier(),
    { rootMargin: NEAR_TOP },
  );

  const showEarlier = async () => {
    const way = $("earlier");
    const link = way.querySelector("a");
    if (!link || way.ariaBusy) return false;
    way.ariaBusy = "true";
    const answer = await fetch(link.dataset.earlier).catch(() => null);
    way.ariaBusy = null;
    if (!answer?.ok) return false; // the link is still there
    const box = document.createElement("template");
    box.innerHTML = await answer.text();
    const [newWay, ...blocks] = box.content.children;
    const fromEnd = page.scrollHeight - page.scrollTop;
    let next = transcript.firstElementChild;
    for (const block of blocks) {
      while (next && inOrder(next, block) < 0) next = next.nextElementSibling;
      if ($(block.id)) continue; // the socket brought it, and keeps it up to date
      transcript.insertBefore(block, next);
      window.htmx?.process(block);
      seen += 1;
    }
    way.replaceWith(newWay);
    nearTop.disconnect();
    page.scrollTop = top = page.scrollHeight - fromEnd;
    nearTop.observe(newWay);
    return true;
  };

  // A link to a block that is not here yet: go back until it is.
  const goToBlock = async () => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id || id === "end") return;
    follows = false;
    while (id.startsWith("b-") && !$(id) && (await showEarlier()));
    const block = $(id);
    if (!block) return toEnd();
    if (id.startsWith("b-")) {
      const details = block.querySelector("details");
      if (details) details.open = true;
      for (let way = block; (way = way.parentElement.closest("details")); ) way.open = true;
      document.querySelector(".here")?.classList.remove("here");
      block.classList.add("here"); // what came later is no :target
    }
    block.scrollIntoView();
    offerJump();
  };
  addEventListener("hashchange", goToBlock);

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#earlier a")) return;
    event.preventDefault();
    showEarlier();
  });

  // What a person opened stays open when a newer version of it arrives.
  const opened = new Map();
  document.addEventListener("toggle", (event) => {
    if (event.target.id) opened.set(event.target.id, event.target.open);
    follows = toGo() < NEAR_END_PX; // opened to be read: the end may wait
    offerJump();
  }, true);
  const openAgain = () => {
    for (const [id, open] of opened) {
      const details = $(id);
      if (!details) opened.delete(id);
      else if (details.open !== open) details.open = open;
    }
  };

  // A newer version takes the place of the element that the keyboard was on.
  let held = null;
  const holdFocus = () => (held = document.activeElement.closest("[id]")?.id);
  const giveFocusBack = () => {
    if (held && document.activeElement === document.body)
      $(held)?.querySelector("summary, button")?.focus({ preventScroll: true });
  };

  // Characters that are not seen, as the server writes them out in titles; joiners stay.
  const visible = (text) =>
    text.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}]/gu, (sign) => {
      const code = sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      return `⟨U+${code}⟩`;
    });

  // The first prompt of a new session is its title, as it will be after a reload.
  let untitled = !document.querySelector(".block-prompt:not(.local), #earlier a");
  const nameThePage = () => {
    const first = untitled && transcript.querySelector(".block-prompt:not(.local) .prompt-text");
    if (!first) return;
    const line = first.textContent.trim().replace(/\s+/g, " ");
    const title = line.length > TITLE_CHARACTERS ? `${line.slice(0, TITLE_CHARACTERS - 1)}…` : line;
    document.querySelector(".topbar h1").textContent = visible(title);
    document.title = `${visible(title)} · opcode`; // read_position.js adds what needs the person
    untitled = false;
  };

  // --- what is sent -----------------------------------------------------------------------

  // Whoever sends wants to see what comes of it.
  composer.addEventListener("htmx:after:request", (event) => {
    if (event.detail.ctx.response.status < 400) toEnd();
  });

  // The keyboard and the dock take room from the transcript; its end stays in view.
  const keepEnd = () => follows && toEnd();
  new ResizeObserver(keepEnd).observe($("dock"));
  addEventListener("resize", keepEnd);

  // On iOS the keyboard covers the page instead of shrinking it: the dock moves up by as much.
  const view = window.visualViewport;
  const lift = () => {
    const covered = view.scale > 1 ? 0 : innerHeight - view.height - view.offsetTop;
    document.documentElement.style.setProperty("--keyboard", `${Math.max(0, covered)}px`);
  };
  view?.addEventListener("resize", lift);
  view?.addEventListener("scroll", lift);

  // --- the start --------------------------------------------------------------------------

  // The words come first: htmx is fetched when they have been painted.
  const addresses = document.currentScript.dataset.then.split(" ");
  const start = () => {
    setClock();
    tick();
    if (["", "#end"].includes(location.hash)) toEnd();
    else goToBlock();
    offerJump();
    nearTop.observe($("earlier"));
    for (const address of addresses) {
      const script = document.createElement("script");
      script.src = address;
      script.async = false; // in this order
      // htmx may have started before its extensions were there
      if (address === addresses.at(-1)) script.onload = () => {
        htmx.process(document.body);
        // what was chosen before
        document.querySelector("#options :checked:not([selected],[checked]),#options [checked]:not(:checked)")
          ?.dispatchEvent(new Event("change", { bubbles: true }));
      };
      document.head.append(script);
    }
  };
  if (document.hidden) start(); // nothing is painted in the background
  else requestAnimationFrame(() => setTimeout(start));
})();

// The session page's own script, for what htmx cannot do: keeps the cursor current, the scroll
// position and opened details; shows when the page is offline. Everything else is HTML.
"use strict";

(() => {
  const SILENCE_MS = 40000; // the server sends a message every 15 s
  const FULL_MS = 8000;
  const NEAR_END_PX = 80;
  const $ = (id) => document.getElementById(id);
  const transcript = $("transcript");
  // The one form of the page becomes two: with a script an answer leaves the composer as it is.
  const composer = $("answer");
  composer.id = "composer";
  const answers = document.createElement("form");
  answers.id = "answer";
  answers.hidden = answers.noValidate = true; // Decline needs no valid fields
  answers.method = "post"; // of a press that comes before htmx does
  answers.append(composer.elements.csrf_token.cloneNode());
  composer.after(answers);
  $("no-answer").onclick = () => false;
  const jump = $("jump");
  let connection = null;
  let heardAt = Date.now(); // when the last message arrived
  let waitingSince = Date.now(); // the same, or the time of a later connection attempt

  // --- the socket -------------------------------------------------------------------------

  const ago = (ms) => {
    const minutes = Math.floor(ms / 60000);
    if (minutes < 1) return "just now";
    return minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
  };

  let cutOff = false; // permanently
  let full = false; // whether the server has its maximum of viewers
  let wasOpen = false; // the socket that is closed
  let loggedOut = false;
  const offline = () => {
    document.body.dataset.link = "offline"; // the phase stays: the page's layout hangs on it
    const text = loggedOut ? "Logged out." : cutOff ? "Cut off. Reload the page." : full ? "Too many pages are open on this server. Trying again…" : `Offline. Last update ${ago(Date.now() - heardAt)}.`;
    if ($("status").textContent !== text) $("status").textContent = text;
  };

  // A login that has ended, perhaps while the phone slept, closes the socket or refuses the next one: the
  // browser does not say why.
  const askForLogin = async () => {
    const { base = "" } = document.documentElement.dataset; // the path below which the app is served
    const answer = await fetch(`${base}/runs/badge`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (answer?.status !== 401 || !answer.headers.has("X-Opcode") || loggedOut) return;
    loggedOut = true;
    $("flash").outerHTML = await answer.text(); // with the way to the login, and back
    offline();
  };

  // The time in this state, counted here by the server's clock, which may differ from the phone's.
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
    wasOpen = true;
    // Logged in again elsewhere: the forms of this page are of the old login.
    if (loggedOut && !$("prompt").value) location.reload();
    waitingSince = Date.now();
  });

  document.addEventListener("htmx:ws:before:message:incoming", () => {
    heardAt = waitingSince = Date.now();
    if (page.scrollTop < top) follows = toGo() < 2; // a move before its scroll event
    holdFocus();
    rememberAsks();
  });

  document.addEventListener("htmx:ws:after:message:incoming", (event) => {
    // Each connection sends the cursor of this page, so no change is sent twice or left out.
    const url = new URL(event.detail.connection.url);
    url.searchParams.set("cursor", $("cursor").value);
    url.searchParams.delete("panel"); // of the elements as they came with the page
    event.detail.connection.url = url.href;
    guardAsks();
    requestAnimationFrame(guardAsks); // the block may come after the message
    openAllowed();
    openAgain();
    giveFocusBack();
    setClock();
    tick();
    follow();
    offerJump();
  });

  document.addEventListener("htmx:ws:close", (event) => {
    cutOff = event.detail.code === 1000 || event.detail.code === 1008;
    full = event.detail.code === 1013;
    // A socket that is accepted and closed at once counts as a success, which is retried immediately.
    const wait = full ? { reconnectDelay: FULL_MS, reconnectMaxDelay: FULL_MS } : { reconnectDelay: 500, reconnectMaxDelay: 5000 };
    if (event.detail.connection?.config) Object.assign(event.detail.connection.config, wait);
    if (event.detail.connection) {
      const url = new URL(event.detail.connection.url);
      url.searchParams.delete("panel"); // `offline` has changed what came with the page
      event.detail.connection.url = url.href;
    }
    if (event.detail.reason === "closed" && !document.hidden) offline();
    if (cutOff || (!wasOpen && navigator.onLine)) askForLogin();
    wasOpen = false;
  });

  // A socket may die without a close event; closing it makes htmx reconnect.
  const renew = () => {
    waitingSince = Date.now();
    connection?.socket?.close();
  };
  setInterval(() => document.hidden || Date.now() - waitingSince <= SILENCE_MS || renew(), 5000);
  addEventListener("offline", renew); // the phone has noticed it: do not wait for the silence
  document.addEventListener("visibilitychange", () => (waitingSince = Date.now()));

  // A page from the back-forward cache has a socket that was closed permanently.
  addEventListener("pageshow", (event) => event.persisted && location.reload());

  // --- the scroll position ----------------------------------------------------------------

  const page = document.scrollingElement;
  // The open request that is first to be answered.
  const openAsk = () => $("status").dataset.phase === "waiting" && transcript.querySelector(".block-ask[data-state=open]");
  // What has stopped the session, where the dock with it does not stick as it is too high (session.css).
  const halt = () => parseFloat(getComputedStyle($("dock")).bottom) < 0 && $("later").querySelector("section");
  // The place that is followed: the end, or the top of an open request or of such words that begins further up.
  const goal = () => {
    const end = page.scrollHeight - innerHeight;
    const first = openAsk() || halt();
    if (!first) return end;
    const bars = document.querySelectorAll(".topbar, .banner");
    const covered = [...bars].reduce((sum, bar) => sum + bar.offsetHeight, 8);
    return Math.min(end, first.getBoundingClientRect().top + page.scrollTop - covered);
  };
  const toGo = () => goal() - page.scrollTop;
  let follows = false; // whether the view follows that place
  let top = 0;
  let seen = 0; // the number of blocks when the reader was last at the end

  const toEnd = () => {
    page.scrollTo({ top: goal(), behavior: "instant" });
    follows = true;
    top = page.scrollTop;
  };
  const follow = () => follows && toGo() > 0 && toEnd(); // never upwards

  const isInView = (ask) => {
    const { top, bottom } = ask ? ask.getBoundingClientRect() : {};
    return top < innerHeight - $("dock").offsetHeight - NEAR_END_PX && bottom > NEAR_END_PX;
  };

  // In view below the transcript: Jump would lie over its buttons.
  const isBelow = () => {
    const { top, bottom } = $("dock").getBoundingClientRect(); // where it does not stick, as it is too high
    return !openAsk() && top < innerHeight && bottom > innerHeight + 1;
  };
  // The newest may be a prompt that did not arrive: Jump would lie over it, and over what can be done.
  const unsentIsInView = () => isInView($("sending").lastElementChild);

  const offerJump = () => {
    if (toGo() < NEAR_END_PX) seen = transcript.childElementCount;
    const missed = transcript.childElementCount - seen;
    const label = openAsk() ? "Jump to the request" : missed > 0 ? `Jump to newest (${missed})` : "Jump to newest";
    if (jump.textContent !== label) jump.textContent = label;
    jump.hidden = toGo() < NEAR_END_PX || isInView(openAsk()) || unsentIsInView() || isBelow();
  };

  addEventListener("scroll", () => {
    // Scrolling up stops following, however close the end still is.
    follows = toGo() < (page.scrollTop < top ? 2 : NEAR_END_PX);
    top = page.scrollTop;
    offerJump();
  }, { passive: true });

  jump.addEventListener("click", () => {
    toEnd();
    offerJump();
  });

  // --- older blocks -----------------------------------------------------------------------

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
    if (!answer?.ok || !answer.headers.has("X-Opcode")) return false; // the link remains
    const box = document.createElement("template");
    box.innerHTML = await answer.text();
    const [newWay, ...blocks] = box.content.children;
    const fromEnd = page.scrollHeight - page.scrollTop;
    let next = transcript.firstElementChild;
    for (const block of blocks) {
      while (next && inOrder(next, block) < 0) next = next.nextElementSibling;
      if ($(block.id)) continue; // the socket inserted it, and keeps it up to date
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

  // A link to a block that is not loaded yet: load older blocks until it is.
  const goToBlock = async () => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id || id === "end") return toEnd();
    follows = false;
    while (id.startsWith("b-") && !$(id) && (await showEarlier()));
    const block = $(id);
    if (!block) return toEnd();
    if (id.startsWith("b-")) {
      const details = block.querySelector(":scope > details");
      if (details && !block.matches(".block-ask")) details.open = true;
      for (let way = block; (way = way.parentElement.closest("details")); ) way.open = true;
      document.querySelector(".here")?.classList.remove("here");
      block.classList.add("here"); // a block inserted later is no :target
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

  // --- copying ----------------------------------------------------------------------------

  // copy.js is loaded with what it serves first, a tap on a block's menu or a finger on code, and then gets that.
  const copied = [];
  const sorry = document.createElement("p");
  sorry.className = "error-note";
  sorry.textContent = "The menu could not be loaded. Try again.";
  const reportMenu = (failed) => (failed ? $("flash").replaceChildren(sorry) : sorry.remove());
  transcript.addEventListener("opcode:menu", ({ detail: failed }) => reportMenu(failed)); // from copy.js
  const loadCopying = (event) => {
    const { type } = event;
    const target = event.target.closest(type === "click" ? ".more" : "pre");
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (copied.push({ target, type, id: target.closest(".block").id }) > 1) return;
    reportMenu(false);
    const script = document.createElement("script");
    script.src = transcript.dataset.copying;
    script.onload = () => {
      for (const each of COPYING) transcript.removeEventListener(each, loadCopying);
      for (const { target, type, id } of copied) {
        // a newer version may have replaced the block
        if (type === "click") $(id)?.querySelector(":scope > .more")?.click();
        else if (target.isConnected) target.dispatchEvent(new Event(type, { bubbles: true }));
      }
    };
    script.onerror = () => {
      if (copied.splice(0).some(({ type }) => type === "click")) reportMenu(true);
    };
    document.head.append(script);
  };
  const COPYING = ["click", "pointerover", "focusin"];
  for (const type of COPYING) transcript.addEventListener(type, loadCopying);

  // --- details and requests ---------------------------------------------------------------

  // Opened details stay open when a newer version arrives.
  const opened = new Map();
  document.addEventListener("toggle", (event) => {
    const { id, open } = event.target;
    const isNew = id && (opened.get(id) ?? false) !== open;
    if (id) opened.set(id, open);
    // With words in it, it may have been opened by the page itself (reasons.js).
    if (isNew && open && event.target.matches(".with-reason") && !event.target.querySelector("textarea").value) {
      event.target.querySelector("textarea").focus({ preventScroll: true });
      event.target.querySelector(".buttons").scrollIntoView({ block: "nearest" });
    }
    follows = toGo() < NEAR_END_PX; // opened to be read: stop following the end
    offerJump();
  }, true);
  const openAgain = () => {
    for (const [id, open] of opened) {
      const details = $(id);
      if (!details) opened.delete(id);
      else if (details.open !== open) details.open = open;
    }
  };

  // A request that comes, moves or is first shown under a finger takes no press for a moment (feedback.js).
  const NEW_MS = 700;
  const asks = transcript.getElementsByClassName("block-ask");
  const appeared = new Map(); // the time by the id
  const shown = new Set(); // the ids of those that were in view
  // One that came further down, or while the page was hidden, is new again once it is in view.
  const firstShown = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting || shown.has(target.id)) continue;
      shown.add(target.id);
      appeared.set(target.id, Date.now());
    }
    guardAsks();
  });
  const guardAsks = () => {
    const open = [...asks].filter((ask) => ask.dataset.state === "open");
    // An answered request is folded, which moves the others.
    if ([...appeared.keys()].some((id) => !open.includes($(id)))) appeared.clear();
    for (const ask of open) {
      if (!appeared.has(ask.id)) appeared.set(ask.id, Date.now());
      firstShown.observe(ask);
      const rest = appeared.get(ask.id) + NEW_MS - Date.now();
      ask.toggleAttribute("data-new", rest > 0);
      if (rest > 0) setTimeout(guardAsks, rest);
    }
  };

  // A diff that was read in a request stays open in the card of the call once that is allowed.
  const asked = new Set(); // the ids of such requests
  const rememberAsks = () => {
    if (!openAsk()) return;
    for (const { id } of transcript.querySelectorAll(".block-ask[data-state=open][data-tool]:has(> .diff)")) asked.add(id);
  };
  const openAllowed = () => {
    for (const id of asked) {
      const { state, tool } = $(id)?.dataset ?? {};
      if (state === "open") continue; // the status may come before the block
      if (state === "allowed") opened.set(`${tool}-d`, true);
      asked.delete(id);
    }
  };

  // A newer version replaces the element that had the focus.
  let held = null;
  const holdFocus = () => (held = document.activeElement.closest("[id]")?.id);
  const giveFocusBack = () => {
    if (held && document.activeElement === document.body)
      $(held)?.querySelector("summary, button")?.focus({ preventScroll: true });
  };

  // --- the composer and the keyboard ------------------------------------------------------

  // After sending a prompt, a person wants to see the result.
  composer.addEventListener("htmx:after:request", (event) => {
    if (event.detail.ctx.response.status < 400) toEnd();
  });

  $("menu").addEventListener("htmx:config:request", () => $("menu").hidePopover?.());

  // The keyboard and the dock take space from the transcript; its end stays in view.
  const keepEnd = follow;
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--dock", `${$("dock").offsetHeight}px`);
    keepEnd();
  }).observe($("dock"));
  addEventListener("resize", () => {
    const field = document.activeElement.closest(".with-reason");
    if (field) field.querySelector(".buttons").scrollIntoView({ block: "nearest" });
    else keepEnd();
  });

  // On iOS the keyboard covers the page instead of shrinking it: the dock moves up by as much.
  const view = window.visualViewport;
  const lift = () => {
    const covered = view.scale > 1 ? 0 : innerHeight - view.height - view.offsetTop;
    document.documentElement.style.setProperty("--keyboard", `${Math.max(0, covered)}px`);
  };
  view?.addEventListener("resize", lift);
  view?.addEventListener("scroll", lift);

  // --- the start --------------------------------------------------------------------------

  // The text comes first: htmx is fetched after the first paint.
  const addresses = document.currentScript.dataset.then.split(" ");
  const start = () => {
    setClock();
    tick();
    guardAsks();
    goToBlock();
    offerJump();
    nearTop.observe($("earlier"));
    for (const address of addresses) {
      const script = document.createElement("script");
      script.src = address;
      script.async = false; // in this order
      // htmx may have started before its extensions had loaded
      if (address === addresses.at(-1)) script.onload = () => {
        htmx.process(document.body);
        // show the choices made before
        document.querySelector("#options :checked:not([selected],[checked]),#options [checked]:not(:checked)")
          ?.dispatchEvent(new Event("change", { bubbles: true }));
      };
      document.head.append(script);
    }
  };
  if (document.hidden) start(); // nothing is painted in the background
  else requestAnimationFrame(() => setTimeout(start));
})();

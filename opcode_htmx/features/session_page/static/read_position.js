// Up to where the session was read. Loaded after the first paint.
"use strict";

(() => {
  const REST_MS = 1500; // messages visible for this long count as read
  const END_MS = 150; // the same for the end of an answer: Claude adds nothing to it
  const NEAR_END_PX = 80;
  const $ = (id) => document.getElementById(id);
  const page = document.scrollingElement;
  const transcript = $("transcript");
  const blocks = () => transcript.querySelectorAll(":scope > .block");
  const newest = () => [...blocks()].at(-1);
  const atEnd = () => page.scrollHeight - page.scrollTop - innerHeight < NEAR_END_PX;

  let sent = ""; // the read position that the server has
  let left = ""; // the newest block that was read when the page was hidden
  let resting = 0;

  const send = (always) => {
    if (document.hidden && !always) return;
    const block = atEnd() ? (newest()?.id ?? "") : "";
    const news = `${block} ${$("status").textContent}`;
    if (news === sent && !always) return;
    sent = news;
    const form = new FormData($("answer"));
    form.set("block", block);
    form.set("quiet", "1");
    navigator.sendBeacon(`${location.pathname}/seen`, form); // sent even if the page unloads
  };
  const rest = (ms = REST_MS) => {
    clearTimeout(resting);
    resting = setTimeout(send, ms);
  };
  const works = () => document.body.dataset.link !== "offline" && ["starting", "working"].includes($("status").dataset.phase);

  // The link to the line is shown while the line is above the view.
  const way = $("to-new");
  const watched = new IntersectionObserver(([entry]) => {
    const { isIntersecting, boundingClientRect, target } = entry;
    way.hidden = isIntersecting || boundingClientRect.top > 0 || !target.isConnected;
  });
  if ($("new-since")) watched.observe($("new-since"));

  const line = () => {
    const mark = left && $(left);
    const behind = mark && [...blocks()].slice([...blocks()].indexOf(mark) + 1).length;
    if (!behind) return;
    left = "";
    $("new-since")?.remove();
    const words = document.createElement("p");
    words.id = words.className = "new-since";
    words.dataset.order = `${mark.dataset.order}.1`;
    words.textContent = "New since you left";
    mark.after(words);
    way.textContent = `${behind} new message${behind === 1 ? "" : "s"} since you left`;
    way.href = "#new-since";
    watched.disconnect();
    watched.observe(words);
  };

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return rest();
    clearTimeout(resting);
    send(true);
    left = atEnd() ? (newest()?.id ?? "") : "";
  });

  // A reload at the end of the page is not leaving it, even if the server does not know yet what was
  // read: no position is sent while messages come one upon the other.
  const stays = `stays ${location.pathname}`;
  let isOld = false; // from the back-forward cache, where it is loaded again
  const keep = (stayed) => {
    try {
      const kept = sessionStorage.getItem(stays);
      sessionStorage.removeItem(stays);
      if (stayed) sessionStorage.setItem(stays, "1");
      return kept;
    } catch {} // forbidden
  };
  if (keep(false) && performance.getEntriesByType("navigation")[0]?.type === "reload") {
    $("new-since")?.remove();
    way.hidden = true;
  }
  addEventListener("pageshow", (event) => (isOld = event.persisted));
  addEventListener("pagehide", () => {
    keep(!document.hidden && !isOld && !left && !$("new-since") && atEnd());
    if (!document.hidden) send(true);
  });

  addEventListener("scroll", () => rest(), { passive: true });
  document.addEventListener("htmx:ws:after:message:incoming", () => {
    if (!document.hidden) {
      line();
      left = ""; // the first message brings all that has come meanwhile
    }
    rest(works() ? REST_MS : END_MS);
  });
  // A person who sends a prompt has read the blocks above.
  $("composer").addEventListener("htmx:after:request", (event) => {
    if (event.detail.ctx.response.status >= 400) return;
    $("new-since")?.remove();
    way.hidden = true;
  });
  // Back from an image leads to its block.
  transcript.addEventListener("click", (event) => {
    const block = event.target.closest(".thumbs a") && event.target.closest(".block");
    if (block) history.replaceState(null, "", `#${block.id}`);
  });
  rest();
})();

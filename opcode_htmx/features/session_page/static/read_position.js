// Where the reader is among sessions and in this one: what needs them, where they stopped reading.
// It comes after the first paint.
"use strict";

(() => {
  const REST_MS = 1500; // what is on the screen for so long counts as read
  const NEAR_END_PX = 80;
  const $ = (id) => document.getElementById(id);
  const page = document.scrollingElement;
  const transcript = $("transcript");
  const blocks = () => transcript.querySelectorAll(":scope > .block");
  const newest = () => [...blocks()].at(-1);
  const atEnd = () => page.scrollHeight - page.scrollTop - innerHeight < NEAR_END_PX;

  // --- what needs the reader --------------------------------------------------------------

  const badge = () => {
    const count = Number($("needs").dataset.count);
    const title = document.title.replace(/^\(\d+\) /, "");
    const wanted = count ? `(${count}) ${title}` : title;
    if (document.title !== wanted) document.title = wanted;
  };

  // --- where they stopped reading ---------------------------------------------------------

  let told = ""; // what the server knows as read
  let left = ""; // the newest block that was read when the page went out of sight
  let resting = 0;

  const tell = (always) => {
    if (document.hidden && !always) return;
    const block = atEnd() ? (newest()?.id ?? "") : "";
    const news = `${block} ${$("status").textContent}`;
    if (news === told && !always) return;
    told = news;
    const form = new FormData($("answer"));
    form.set("block", block);
    form.set("quiet", "1");
    navigator.sendBeacon(`${location.pathname}/seen`, form); // goes out even if the page does
  };
  const rest = () => {
    clearTimeout(resting);
    resting = setTimeout(tell, REST_MS);
  };

  // The way to the line is there as long as the line is above.
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
    way.textContent = `${behind} new block${behind === 1 ? "" : "s"} since you left`;
    way.href = "#new-since";
    watched.disconnect();
    watched.observe(words);
  };

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return rest();
    tell(true);
    left = atEnd() ? (newest()?.id ?? "") : "";
  });
  addEventListener("pagehide", () => document.hidden || tell(true));
  addEventListener("scroll", rest, { passive: true });
  document.addEventListener("htmx:ws:after:message:incoming", () => {
    badge();
    if (!document.hidden) line();
    rest();
  });
  // Whoever sends has read what stands above.
  $("composer").addEventListener("htmx:after:request", (event) => {
    if (event.detail.ctx.response.status < 400) $("new-since")?.remove();
  });
  badge();
  rest();
})();

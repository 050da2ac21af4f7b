// Counts down the time of a pairing code, and shows when a device has used it.
"use strict";

(() => {
  const LOOK_MS = 2000;
  const section = document.getElementById("pairing");
  const time = document.getElementById("pairing-time");
  const end = performance.now() + 1000 * Number(section.dataset.seconds);
  section.querySelector("[data-copy]").hidden = false;
  const left = () => Math.max(0, Math.ceil((end - performance.now()) / 1000));

  const finish = () => {
    clearInterval(counting);
    clearInterval(looking);
    section.classList.add("is-over");
    section.querySelector("form button").classList.add("button-primary");
  };
  const count = () => {
    const seconds = left();
    time.textContent = `Valid for ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (!seconds) look();
  };
  const look = async () => {
    if (document.hidden) return;
    const answer = await fetch(section.dataset.state).catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const newer = page.getElementById("pairing-state");
    if (!newer || newer.dataset.kind === "waiting") return;
    const older = document.getElementById("pairing-state");
    older.dataset.kind = newer.dataset.kind;
    older.replaceChildren(...newer.childNodes); // in place, so that it is read out
    finish();
  };

  const counting = setInterval(count, 1000);
  const looking = setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", look);
  count();
})();

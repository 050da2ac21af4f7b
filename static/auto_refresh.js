// Keeps the lists of sessions that need attention, and of runs, current while the page is visible.
"use strict";

(() => {
  // CPU and memory change every second
  const EVERY_MS = location.pathname === "/runs" ? 3000 : 10000;
  const refresh = async () => {
    if (document.hidden) return;
    const answer = await fetch(location.pathname === "/runs" ? "/runs" : "/runs/badge").catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const count = [...page.querySelectorAll("[data-count]")].reduce((sum, each) => sum + Number(each.dataset.count), 0);
    for (const newer of page.querySelectorAll("[data-fresh]")) {
      const older = document.getElementById(newer.id);
      // a control about to be pressed stays
      if (!older || older.outerHTML === newer.outerHTML || older.matches(":focus-within, :active, :has([open])")) continue;
      older.replaceWith(newer);
    }
    const title = document.title.replace(/^\(\d+\) /, "");
    document.title = count ? `(${count}) ${title}` : title;
  };
  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
  addEventListener("pageshow", (event) => event.persisted && refresh());
})();

// Lines of a file are picked by their numbers, one or a range, and a link to them can be copied.
"use strict";

(() => {
  const box = document.getElementById("file-lines");
  const bar = document.getElementById("file-picked");
  const words = document.getElementById("file-picked-words");
  const link = document.getElementById("file-picked-link");
  const { view } = box.closest("[data-view]").dataset;
  const first = Number(box.dataset.first);
  const last = Number(box.dataset.last);
  let picked = null;

  const show = () => {
    for (const line of box.querySelectorAll(".marked")) line.classList.remove("marked");
    bar.hidden = !picked;
    if (!picked) return;
    const [from, to] = picked;
    for (let number = Math.max(from, first); number <= Math.min(to, last); number++) {
      document.getElementById(`L${number}`)?.classList.add("marked");
    }
    words.textContent = from === to ? `Line ${from}` : `Lines ${from}–${to}`;
    const end = from === to ? "" : `&end=${to}`;
    const hash = from === to ? `#L${from}` : `#L${from}-L${to}`;
    link.textContent = new URL(`${view}&line=${from}${end}${hash}`, location.href).href;
  };

  // `#L12` and `#L12-L20`; lines of another part are on another page.
  const read = () => {
    const found = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash);
    if (!found) return;
    const ends = [Number(found[1]), Number(found[2] ?? found[1])].sort((a, b) => a - b);
    const isHere = ends[0] >= first && ends[0] <= last;
    const isAsked = new URLSearchParams(location.search).get("line") === String(ends[0]);
    if (!isHere && !isAsked) {
      location.replace(`${view}&line=${ends[0]}&end=${ends[1]}${location.hash}`);
      return;
    }
    picked = ends;
    show();
    document.getElementById(`L${ends[0]}`)?.scrollIntoView({ block: "center" });
  };

  // The numbers are no elements: the finger is left of the text.
  box.addEventListener("click", (event) => {
    const line = event.target.closest(".line");
    if (!line || String(getSelection())) return;
    const start = parseFloat(getComputedStyle(line).paddingLeft);
    if (event.clientX - box.getBoundingClientRect().left > start) return;
    const number = Number(line.dataset.n);
    if (!picked) picked = [number, number];
    else if (picked[0] === picked[1] && picked[0] === number) picked = null;
    else if (picked[0] === picked[1]) picked = [Math.min(picked[0], number), Math.max(picked[1], number)];
    else picked = [number, number];
    const hash = picked ? (picked[0] === picked[1] ? `#L${picked[0]}` : `#L${picked[0]}-L${picked[1]}`) : "";
    history.replaceState(history.state, "", hash || location.pathname + location.search);
    show();
  });
  addEventListener("hashchange", read);
  read();
})();

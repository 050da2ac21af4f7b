// The page of changed files: kept current while it is visible, lines that are tapped to comment on
// them, and buttons that go from change to change. Without it, links and forms do the same.
"use strict";

(() => {
  const EVERY_MS = 2500;
  const thumb = document.getElementById("thumb");
  const root = document.documentElement;

  // --- lines to comment on ------------------------------------------------------------------

  let first = null; // the line that was tapped first, and the last of the range
  let last = null;

  const linesBetween = (from, to) => {
    const all = [...from.closest(".file").querySelectorAll(".diff > span")];
    const [start, end] = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
    return start < 0 ? [] : all.slice(start, end + 1);
  };
  // A range is one of the new file, unless all of its lines were removed.
  const rangeOf = (lines) => {
    const isOld = lines.every((line) => line.classList.contains("diff-del"));
    const numbers = lines.map((line) => Number(isOld ? line.dataset.o : line.dataset.n)).filter(Boolean);
    return { on: isOld ? "old" : "new", first: Math.min(...numbers), last: Math.max(...numbers) };
  };
  const words = ({ on, first: from, last: to }) =>
    `${from === to ? `Line ${from}` : `Lines ${from}–${to}`}${on === "old" ? " before" : ""}`;

  const unpick = () => {
    for (const each of document.querySelectorAll(".picked")) each.classList.remove("picked");
    first = last = null;
    showThumb();
  };
  const pick = (line) => {
    if (line === first && line === last) return unpick();
    const isSame = first?.isConnected && first.closest(".file") === line.closest(".file");
    // A third tap begins anew
    if (!isSame || first !== last) first = line;
    last = line;
    for (const each of document.querySelectorAll(".picked")) each.classList.remove("picked");
    for (const each of linesBetween(first, last)) each.classList.add("picked");
    showThumb();
  };

  const comment = () => {
    const lines = linesBetween(first, last);
    const range = rangeOf(lines);
    const source = first.closest(".file").querySelector(".comment-new form");
    if (!source || !lines.length) return;
    document.querySelector(".picked-form")?.remove();
    const place = document.createElement("div");
    place.className = "picked-form comment-new";
    const head = document.createElement("p");
    head.textContent = words(range);
    const form = source.cloneNode(true);
    form.elements.text.id = "picked-text";
    form.querySelector("label[for]").htmlFor = "picked-text";
    form.elements.first.value = range.first;
    form.elements.last.value = range.last;
    form.elements.on.value = range.on;
    const cancel = document.createElement("button");
    cancel.type = "button";
    cancel.className = "button";
    cancel.textContent = "Cancel";
    cancel.addEventListener("click", () => {
      place.remove();
      unpick();
    });
    form.querySelector(".buttons").append(cancel);
    place.append(head, form);
    insertAfter(lines.at(-1), place);
    window.htmx?.process(place);
    unpick();
    form.elements.text.focus({ preventScroll: true });
    place.scrollIntoView({ block: "nearest" });
  };
  // The box of the lines is divided where something stands between them.
  const insertAfter = (line, element) => {
    const box = line.parentElement;
    const rest = box.cloneNode(false);
    while (line.nextSibling) rest.append(line.nextSibling);
    box.after(element);
    if (rest.childElementCount) element.after(rest);
  };

  document.addEventListener("click", (event) => {
    const line = event.target.closest?.(".diff > span");
    if (!line || event.target.closest("a, button") || String(getSelection())) return;
    if (line.closest(".file")?.querySelector(".comment-new")) pick(line);
  });
  document.addEventListener("keydown", ({ key }) => key === "Escape" && first && unpick());
  const unsent = document.createElement("p");
  unsent.className = "error-note";
  unsent.setAttribute("role", "alert");
  document.addEventListener("htmx:before:request", () => unsent.remove());
  document.addEventListener("opcode:unsent", ({ detail: { ctx, sentence } }) => {
    unsent.textContent = sentence;
    ctx.sourceElement.closest("form")?.append(unsent);
  });
  document.addEventListener("htmx:after:request", ({ target, detail }) => {
    const form = target.closest?.(".comment-new");
    if (!form || detail.ctx.isForeign || detail.ctx.response.status >= 400) return;
    if (form.matches(".picked-form")) setTimeout(() => form.remove());
    else form.querySelector("form").reset();
  });

  // --- from change to change ----------------------------------------------------------------

  const stops = () =>
    [...document.querySelectorAll(".file, .file[open] .hunk:not([data-goes-on])")].filter(
      // the first hunk is in view with the line of its file
      (each) => each.matches(".file") || each.previousElementSibling?.matches(".hunk, .between") || each.querySelector(".comment"),
    );
  const go = (step) => {
    const edge = (element) => element.getBoundingClientRect().top - parseFloat(getComputedStyle(element).scrollMarginTop);
    const all = stops();
    const next = step > 0 ? all.find((each) => edge(each) > 4) : all.findLast((each) => edge(each) < -4);
    if (!next) return scrollTo({ top: step > 0 ? document.body.scrollHeight : 0 });
    if (next.matches("details")) next.open = true;
    next.scrollIntoView({ block: "start" });
  };

  const button = (label, name, act, isMain = false) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = isMain ? "button button-primary" : "button";
    made.textContent = label;
    if (name) made.setAttribute("aria-label", name);
    made.addEventListener("click", act);
    return made;
  };
  const going = [button("↑", "Previous change", () => go(-1)), button("↓", "Next change", () => go(1))];
  const bar = thumb ?? document.createElement("div");
  if (!thumb) {
    bar.className = "thumb";
    document.getElementById("main").append(bar);
  }
  const showThumb = () => {
    const lines = first ? linesBetween(first, last) : [];
    if (lines.length) {
      const range = words(rangeOf(lines));
      bar.replaceChildren(button("×", "Choose no lines", unpick), button(`Comment: ${range}`, "", comment, true));
    } else bar.replaceChildren(...going);
    bar.hidden = false;
    bar.hidden = !lines.length && (stops().length < 2 || isAllAbove());
  };
  // Whether a page that begins at its top has all of its rows, closed, above the buttons.
  const isAllAbove = () => {
    const list = document.querySelector("#changes:not(:has(.file[open]))");
    return list !== null && list.getBoundingClientRect().bottom + scrollY < bar.getBoundingClientRect().top;
  };
  root.classList.add("picking");
  showThumb();
  document.addEventListener("htmx:after:swap", showThumb);
  document.addEventListener("toggle", showThumb, true);
  addEventListener("resize", showThumb);

  // --- live ---------------------------------------------------------------------------------

  const IN_USE = ".picked, .picked-form, .comment-new[open], .comment-edit[open], [aria-busy='true'], [data-held]";

  // An open file keeps its diff, until it has another one and nobody is at work in it.
  const take = (newer) => {
    const older = document.getElementById("changes");
    for (const file of newer.querySelectorAll("details.file")) {
      const known = document.getElementById(file.id);
      if (!known) continue;
      file.open = known.open;
      const body = known.querySelector(".file-body");
      const isLoaded = body && !body.matches(".file-wait");
      const isSame = body?.dataset.version === file.dataset.version;
      if (isLoaded && (isSame || known.querySelector(IN_USE))) {
        file.querySelector(".file-body").replaceWith(body);
        if (!isSame) file.dataset.version = known.dataset.version;
      }
    }
    const focused = document.activeElement?.closest?.(".file-row")?.parentElement.id;
    const top = anchor();
    older.replaceWith(newer);
    window.htmx?.process(newer);
    if (focused) document.getElementById(focused)?.querySelector("summary").focus({ preventScroll: true });
    top();
    showThumb();
  };
  // Keeps what is read where it is, when files come or go above it.
  const anchor = () => {
    const all = [...document.querySelectorAll("details.file")];
    const seen = all.find((each) => each.getBoundingClientRect().bottom > 80);
    const before = seen?.getBoundingClientRect().top;
    return () => {
      const after = seen && document.getElementById(seen.id)?.getBoundingClientRect().top;
      if (scrollY && after !== undefined && before !== undefined) scrollBy(0, after - before);
    };
  };

  const refresh = async () => {
    const list = document.getElementById("changes");
    if (!list || document.hidden || first) return;
    const address = `${list.dataset.state}&seen=${list.dataset.digest}`;
    const answer = await fetch(address, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (answer?.status !== 200) return;
    const text = await answer.text().catch(() => "");
    const newer = new DOMParser().parseFromString(text, "text/html").getElementById("changes");
    const isHeld = list.querySelector("[data-held], [aria-busy='true']") || first;
    if (newer && list.isConnected && !isHeld) take(document.adoptNode(newer));
  };
  if (document.getElementById("changes")) {
    const tick = async () => {
      await refresh();
      setTimeout(tick, EVERY_MS);
    };
    setTimeout(tick, EVERY_MS);
    document.addEventListener("visibilitychange", refresh);
  }
})();

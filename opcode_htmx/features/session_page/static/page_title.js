// The title of a session's page: its first prompt, and how many sessions need attention. Loaded after
// the first paint.
"use strict";

(() => {
  const LONGEST = 80; // characters of a title
  const $ = (id) => document.getElementById(id);

  // Escapes invisible characters as the server does in titles; joiners stay.
  const visible = (text) =>
    text.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}]/gu, (sign) => {
      const code = sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      return `⟨U+${code}⟩`;
    });

  // The first prompt of a new session is its title, as it will be after a reload.
  let untitled = !document.querySelector(".block-prompt:not(.local), #earlier a");
  const nameThePage = () => {
    const first = untitled && $("transcript").querySelector(".block-prompt:not(.local) .prompt-text");
    if (!first) return;
    const line = first.textContent.trim().replace(/\s+/g, " ");
    const title = line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
    const heading = document.querySelector(".topbar h1");
    heading.textContent = heading.title = visible(title);
    document.title = `${visible(title)} · opcode`;
    untitled = false;
  };

  const badge = () => {
    const count = Number($("needs").dataset.count);
    const title = document.title.replace(/^\(\d+\) /, "");
    const wanted = count ? `(${count}) ${title}` : title;
    if (document.title !== wanted) document.title = wanted;
  };

  document.addEventListener("htmx:ws:after:message:incoming", () => {
    nameThePage();
    badge();
  });
  badge();
})();

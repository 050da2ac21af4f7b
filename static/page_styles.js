// Fetches the styles that came inside this page (web/assets/page_styles.py) into the browser's cache, and
// notes so in a cookie, from which the next pages link to them. Loaded by feedback.js.
"use strict";

(async () => {
  const KEPT = 30;
  const [, name, path] = document.body.dataset.styles.split(" ");
  const files = [...document.querySelectorAll("style[data-address]")].map((style) => style.dataset.address);
  const answers = await Promise.all(files.map((file) => fetch(file)));
  await Promise.all(answers.map((answer) => answer.text()));
  const fetched = files.filter((_, index) => answers[index].ok).map((file) => new URL(file, location).searchParams.get("v"));
  const before = document.cookie.match(`(?:^|; )${name}=([^;]*)`)?.[1].split(".") ?? [];
  const all = [...new Set([...fetched, ...before])].slice(0, KEPT).join(".");
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${all}; path=${path}; max-age=31536000; samesite=strict${secure}`;
})().catch(() => null); // offline: the next page has its styles inside as well

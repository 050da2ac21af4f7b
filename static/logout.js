// A logout removes the words that pages of this browser have kept for later: they are for nobody who
// comes next. In other tabs at once, or when a page is shown in them again.
"use strict";

(() => {
  const { base = "" } = document.documentElement.dataset; // the path below which the app is served
  const LOGOUT = `logout ${base}/`; // when the last one was; in the tab: the one that it knows of
  const forget = () => {
    for (const key of Object.keys(sessionStorage)) if (key.split(" ")[1] === `${base}/`) sessionStorage.removeItem(key);
  };
  try {
    if (document.querySelector("[data-logged-out]")) {
      forget(); // also where the mark for other tabs cannot be kept
      localStorage.setItem(LOGOUT, Date.now());
    }
    const last = localStorage.getItem(LOGOUT); // a browser may have lost it: then there is no word of another one
    if (last && last !== sessionStorage.getItem(LOGOUT)) {
      forget();
      sessionStorage.setItem(LOGOUT, last);
    }
    // Words on the way to the server when their page was left arrive with the login of the next page. Where
    // that is the login form, they did not: composer.js gives them back.
    for (const key of Object.keys(sessionStorage)) {
      if (!key.startsWith(`left ${base}/ `)) continue;
      if (document.querySelector("form.login")) sessionStorage.setItem(key.replace("left", "unsaved"), sessionStorage.getItem(key));
      sessionStorage.removeItem(key);
    }
    // What an open page keeps after that is there after the next login, if it was typed since.
    addEventListener("storage", ({ key, newValue }) => {
      if (key !== LOGOUT || !newValue) return;
      forget();
      sessionStorage.setItem(LOGOUT, newValue);
      document.dispatchEvent(new Event("opcode:logout"));
    });
  } catch {} // storage is forbidden
})();

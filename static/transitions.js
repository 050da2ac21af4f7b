// A transition between pages that is cut short, as by a keyboard that opens meanwhile, is no error.
"use strict";

(() => {
  const accept = (transition) => transition?.ready.catch(() => {});
  addEventListener("pagereveal", ({ viewTransition }) => accept(viewTransition));
  accept(document.activeViewTransition); // where the page was shown before this script came
})();

// Closes the sheet behind "More" when it loses the focus or the page is left. The rest needs no script.
"use strict";

(() => {
  const sheet = document.getElementById("nav-sheet");
  if (!sheet?.hidePopover) return;
  const close = () => sheet.matches(":popover-open") && sheet.hidePopover();
  sheet.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !sheet.contains(relatedTarget) && close());
  addEventListener("pagehide", close); // else Back would show the page with the open sheet
})();

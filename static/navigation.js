// Closes the sheet behind "More" when the focus or the person leaves it. The rest of it needs no script.
"use strict";

(() => {
  const sheet = document.getElementById("nav-sheet");
  if (!sheet?.hidePopover) return;
  const close = () => sheet.matches(":popover-open") && sheet.hidePopover();
  sheet.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !sheet.contains(relatedTarget) && close());
  addEventListener("pagehide", close); // else it would be open when Back shows the page again
})();

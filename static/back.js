// The arrow in a page's bar goes back in the history where its list is there, as the gesture does:
// so the list returns at its place and as it was. Else it is an ordinary link.
"use strict";

(() => {
  const plain = (url) => url.split("#")[0];
  const here = location.pathname;

  // How many steps back the page at `address` is; 0 if another page lies between.
  const stepsTo = (address) => {
    const { navigation } = window;
    if (!navigation?.currentEntry) return document.referrer === address && !location.hash ? 1 : 0;
    const entries = navigation.entries();
    const current = navigation.currentEntry.index;
    for (let index = current - 1; index >= 0; index -= 1) {
      const { url } = entries[index];
      if (url && plain(url) === address) return current - index;
      // loaded again, at another message, or a page below this one
      if (!url || !`${new URL(url).pathname}/`.startsWith(`${here}/`)) return 0;
    }
    return 0;
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a.back");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const steps = stepsTo(plain(link.href));
    if (!steps) return;
    event.preventDefault();
    history.go(-steps);
  });
})();

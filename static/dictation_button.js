// The button that dictates into the composer, where the browser has speech recognition; elsewhere the keyboard of a
// phone has its own microphone. dictation.js, which does it, is loaded when the composer is used first.
"use strict";

(() => {
  const prompt = document.getElementById("prompt");
  const row = prompt?.closest("[data-dictation]");
  if (!row || !isSecureContext || !(window.SpeechRecognition ?? window.webkitSpeechRecognition)) return;

  const button = document.createElement("button");
  button.type = "button";
  button.className = "button dictate";
  button.title = button.ariaLabel = "Dictate";
  button.ariaPressed = "false";
  button.innerHTML = '<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d="M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/></svg>';
  button.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  prompt.after(button);

  let isLoading = false;
  let isTapped = false; // meanwhile
  const tap = () => (isTapped = true);
  const load = () => {
    if (isLoading) return;
    isLoading = true;
    const script = document.createElement("script");
    script.src = row.dataset.dictation;
    script.onload = () => {
      for (const type of ["pointerdown", "focusin", "click"]) row.removeEventListener(type, load);
      button.removeEventListener("click", tap);
      if (isTapped) button.click();
    };
    script.onerror = () => {
      if (isTapped) {
        const note = document.createElement("p");
        note.className = "error-note";
        note.textContent = "Dictation could not be loaded. Try again.";
        document.getElementById("flash").replaceChildren(note);
      }
      isLoading = isTapped = false;
    };
    document.head.append(script);
  };
  button.addEventListener("click", tap);
  for (const type of ["pointerdown", "focusin", "click"]) row.addEventListener(type, load);
})();

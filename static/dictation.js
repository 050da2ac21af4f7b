// Dictation into the composer by the browser's own speech recognition. Loaded only where there is one
// (feedback.js); elsewhere the keyboard of a phone has its own microphone.
"use strict";

(() => {
  const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;
  const $ = (id) => document.getElementById(id);
  const prompt = $("prompt");
  const composer = $("composer");
  if (!Recognition || !prompt) return;
  const LISTENING = "Listening…";
  const ERRORS = {
    "not-allowed": "The browser may not use the microphone here. Allow it in the settings of this page.",
    "service-not-allowed": "The browser offers no dictation here. The keyboard may have a microphone of its own.",
    "audio-capture": "No microphone was found.",
    "language-not-supported": "The browser cannot listen in this language.",
    network: "The browser's speech service does not answer. Try again.",
  };
  const placeholder = prompt.placeholder;
  let recognition = null; // while it listens
  let [before, after] = ["", ""]; // the text around what is said

  const button = document.createElement("button");
  button.type = "button";
  button.className = "button dictate";
  button.title = button.ariaLabel = "Dictate";
  button.ariaPressed = "false";
  button.innerHTML = '<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d="M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/></svg>';

  const show = () => {
    button.ariaPressed = String(Boolean(recognition));
    prompt.placeholder = recognition ? LISTENING : placeholder;
  };

  // What is said from now on is left out; `finish` takes the words that are still recognised.
  const drop = () => {
    const ended = recognition;
    recognition = null;
    show();
    ended?.abort();
  };
  const finish = () => recognition?.stop();

  const write = (words) => {
    const start = before && !/\s$/.test(before) ? `${before} ` : before;
    const end = after && !/^[\s.,;:!?)]/.test(after) ? ` ${after}` : after;
    prompt.value = start + words + end;
    const caret = start.length + words.length;
    prompt.setSelectionRange(caret, caret);
    prompt.dispatchEvent(new Event("input", { bubbles: true })); // the draft is saved as if it was typed
  };

  const complain = (sentence) => {
    const note = document.createElement("p");
    note.className = "error-note";
    note.textContent = sentence;
    $("flash").replaceChildren(note);
  };

  const begin = () => {
    const made = new Recognition();
    made.lang = navigator.language;
    made.interimResults = true;
    made.continuous = !/Android/.test(navigator.userAgent); // there, it repeats what it had understood
    made.addEventListener("result", ({ results }) => {
      const said = [...results].map(([best]) => best.transcript.trim()).filter(Boolean).join(" ");
      if (made === recognition && said) write(said);
    });
    made.addEventListener("error", ({ error }) => made === recognition && ERRORS[error] && complain(ERRORS[error]));
    made.addEventListener("end", () => {
      if (made !== recognition) return;
      recognition = null;
      show();
    });
    [before, after] = [prompt.value.slice(0, prompt.selectionStart), prompt.value.slice(prompt.selectionEnd)];
    $("flash").replaceChildren();
    try {
      made.start();
    } catch {
      return complain(ERRORS["service-not-allowed"]);
    }
    recognition = made;
    show();
  };

  button.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  button.addEventListener("click", () => (recognition ? finish() : begin()));
  prompt.addEventListener("input", ({ isTrusted }) => isTrusted && recognition && drop()); // typed after all
  composer.addEventListener("submit", drop, true); // else the next words would bring back what was sent
  document.addEventListener("visibilitychange", () => document.hidden && finish());

  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = document.querySelector("[data-dictation]").dataset.dictation.split(" ")[1];
  style.addEventListener("load", () => prompt.after(button));
  document.head.append(style);
})();

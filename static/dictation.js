// Dictation into the composer by the browser's own speech recognition. Loaded when the composer is used first
// (dictation_button.js).
"use strict";

(() => {
  const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;
  const $ = (id) => document.getElementById(id);
  const prompt = $("prompt");
  const composer = $("composer");
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

  const button = document.querySelector(".dictate");

  const show = () => {
    button.ariaPressed = String(Boolean(recognition));
    prompt.placeholder = recognition ? LISTENING : placeholder;
  };

  // Speech from now on is ignored; `finish` takes the words that are still recognised.
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

  button.addEventListener("click", () => (recognition ? finish() : begin()));
  prompt.addEventListener("input", ({ isTrusted }) => isTrusted && recognition && drop()); // typed after all
  composer.addEventListener("submit", drop, true); // else the next words would bring back what was sent
  document.addEventListener("visibilitychange", () => document.hidden && finish());
})();

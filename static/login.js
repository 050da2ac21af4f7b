// The login page shows a password that is being typed; the page of a QR code fills in the code of its link.
"use strict";

(() => {
  for (const button of document.querySelectorAll("[data-shows]")) {
    const field = document.getElementById(button.dataset.shows);
    const show = (shown) => {
      field.type = shown ? "text" : "password";
      button.setAttribute("aria-pressed", shown);
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      show(field.type === "password");
      field.focus();
    });
    field.form.addEventListener("submit", () => show(false)); // else it is not offered to be saved
  }

  const form = document.getElementById("pair");
  if (!form) return;
  const { code, name } = form.elements;
  const fill = () => {
    const given = location.hash.slice(1);
    if (!given) return;
    code.value = given;
    for (const id of ["code-field", "no-code"]) document.getElementById(id).hidden = true;
  };
  fill();
  addEventListener("hashchange", fill); // the next code was scanned into the same tab
  const label = document.getElementById("device");
  const first = label.textContent;
  name.addEventListener("input", () => (label.textContent = name.value.trim() || first));
  // Before that the code stays in the address: "open in another browser" takes it along
  form.addEventListener("submit", () => history.replaceState(null, "", location.pathname));
})();

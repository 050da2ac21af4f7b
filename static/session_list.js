// Selecting sessions in a list: the number for screen readers, and all of them by one tap without a
// reload. All else works without it.
"use strict";

(() => {
  const form = document.querySelector(".selection");
  const all = document.querySelector(".select-all");
  if (!form) return;
  const boxes = [...form.querySelectorAll("input[name='session']")];
  const checked = () => boxes.filter((box) => box.checked).length;

  const show = () => {
    const number = checked();
    form.querySelector(".select-count").textContent = `${number} selected`;
    if (all) all.textContent = number === boxes.length ? "None" : "All";
  };
  all?.addEventListener("click", (event) => {
    event.preventDefault();
    event.stopImmediatePropagation(); // it leads nowhere, so it is not busy
    const on = checked() < boxes.length;
    for (const box of boxes) box.checked = on;
    show();
  });
  form.addEventListener("change", show);
  addEventListener("pageshow", show); // the browser's Back brings the checks back
})();

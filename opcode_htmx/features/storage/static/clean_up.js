// The dry run of a clean-up: the button says how many sessions go. All else works without it.
"use strict";

(() => {
  const form = document.getElementById("clean-up");
  const button = document.getElementById("go");

  const show = () => {
    let number = 0;
    for (const project of form.querySelectorAll(".project")) {
      const boxes = [...project.querySelectorAll("[name=go]")];
      number += boxes.reduce((sum, box) => sum + (box.checked ? Number(box.dataset.number) : 0), 0);
      project.classList.toggle("unticked", !boxes.some((box) => box.checked));
    }
    button.textContent = number ? `Move ${number} ${number === 1 ? "session" : "sessions"} to the trash` : "Nothing is ticked";
    button.disabled = !number;
  };
  form.addEventListener("change", show);
  addEventListener("pageshow", show); // a page that the browser has kept still has its ticks
})();

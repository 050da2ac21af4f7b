// On a touch screen the chosen project is shown at once, so that no page is taken for that of another.
// With a keyboard each arrow key changes the choice: there the button shows it.
const choice = document.getElementById("claude-project");
choice?.addEventListener("change", () => {
  if (matchMedia("(pointer: coarse)").matches) choice.form.requestSubmit();
});

// Paste and copy in a terminal, also where a page may not use the clipboard: then in a sheet.

const COPIED_LINES = 2000;

// Given xterm's Terminal: the function that pastes, and the one that opens the sheet to copy from.
export const clipboardOf = (terminal) => {
  const sheet = document.createElement("dialog");
  sheet.className = "terminal-copy";
  document.body.append(sheet);
  sheet.addEventListener("close", () => terminal.focus());

  const sheetOf = (label, content, verb, act) => {
    const buttons = document.createElement("p");
    buttons.className = "buttons";
    for (const [words, then] of [[verb, act], ["Close", () => sheet.close()]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      button.textContent = words;
      button.addEventListener("click", () => then(button));
      buttons.append(button);
    }
    sheet.ariaLabel = label;
    sheet.replaceChildren(content, buttons);
    sheet.showModal();
  };

  const paste = async () => {
    try {
      terminal.paste(await navigator.clipboard.readText());
      return;
    } catch {
      // plain http has no clipboard, and a person may refuse it
    }
    const field = document.createElement("textarea");
    field.ariaLabel = "Text to paste";
    field.placeholder = "Paste here";
    sheetOf("Paste", field, "Type it in", () => {
      sheet.close();
      terminal.paste(field.value);
    });
    field.focus();
  };

  const textOf = () => {
    const buffer = terminal.buffer.active;
    const lines = [];
    for (let row = Math.max(0, buffer.length - COPIED_LINES); row < buffer.length; row++) {
      const line = buffer.getLine(row);
      const text = line.translateToString(true);
      if (line.isWrapped && lines.length) lines[lines.length - 1] += text;
      else lines.push(text);
    }
    return lines.join("\n").trimEnd();
  };
  const copyText = async (text, from) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      if (getSelection().isCollapsed) getSelection().selectAllChildren(from);
      return document.execCommand("copy");
    }
  };
  const openCopy = () => {
    const text = document.createElement("pre");
    text.tabIndex = 0;
    text.textContent = terminal.getSelection() || textOf();
    sheetOf("Copy", text, "Copy", async (button) => {
      const chosen = getSelection().isCollapsed ? text.textContent : String(getSelection());
      button.textContent = (await copyText(chosen, text)) ? "Copied" : "Selected: copy it now";
    });
    text.scrollTop = text.scrollHeight;
  };
  return { paste, openCopy };
};

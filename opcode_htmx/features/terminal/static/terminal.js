// The page of a terminal: xterm.js, fed by the socket, and a bar of keys that phones lack.

const box = document.getElementById("terminal");
const stateLine = document.getElementById("terminal-state");
const bar = document.getElementById("terminal-keys");
const { library, widths, policy, colours, clipboard } = box.dataset; // addresses of modules
const [{ Terminal }, { Unicode11Addon }, , { coloursOf }, { clipboardOf }] = await Promise.all(
  [library, widths, policy, colours, clipboard].map((address) => import(address)),
);

// --- look ------------------------------------------------------------------------------------

const kept = (name, fallback) => {
  try {
    return Number(localStorage.getItem(`terminal-${name}`)) || fallback;
  } catch {
    return fallback;
  }
};
const keep = (name, value) => {
  try {
    localStorage.setItem(`terminal-${name}`, String(value));
  } catch {
    // a browser that keeps nothing
  }
};

const SMALLEST = 6;
const LARGEST = 32;
box.hidden = false;
document.getElementById("terminal-text").hidden = true;
const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
const terminal = new Terminal({
  allowProposedApi: true,
  cursorBlink: false,
  fontFamily: "ui-monospace, Menlo, 'DejaVu Sans Mono', monospace",
  fontSize: kept("font", Math.round(0.8125 * rem)),
  minimumContrastRatio: 4.5,
  scrollback: 10000,
  theme: coloursOf(box),
});
terminal.loadAddon(new Unicode11Addon());
terminal.unicode.activeVersion = "11";
terminal.open(box);
const input = terminal.textarea;
for (const [name, value] of [["autocapitalize", "none"], ["autocomplete", "off"], ["autocorrect", "off"]]) {
  input.setAttribute(name, value);
}
input.setAttribute("aria-label", "Terminal input");

const rethemed = () => (terminal.options.theme = coloursOf(box));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rethemed);
new MutationObserver(rethemed).observe(document.documentElement, { attributeFilter: ["data-theme"] });

// --- size ------------------------------------------------------------------------------------

const SIZE_MS = 80;
let columns = kept("columns", 0);
let proposed = "";
let sizeTimer = 0;

const measured = () => {
  const screen = box.querySelector(".xterm-screen").getBoundingClientRect();
  const width = screen.width / terminal.cols;
  const height = screen.height / terminal.rows;
  if (!width || !height) return null;
  const style = getComputedStyle(box);
  const free = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const high = box.clientHeight - parseFloat(style.paddingTop);
  return [columns || Math.max(2, Math.floor(free / width)), Math.max(2, Math.floor(high / height))];
};
// The viewer that types, or that somebody has just turned to, decides on the size.
const propose = (anyway = false) => {
  const size = measured();
  if (!size || (!anyway && String(size) === proposed)) return;
  proposed = String(size);
  say({ size });
};
const proposeSoon = () => {
  clearTimeout(sizeTimer);
  sizeTimer = setTimeout(() => document.visibilityState === "visible" && propose(), SIZE_MS);
};
const isMine = () => `${terminal.cols},${terminal.rows}` === String(measured());
new ResizeObserver(proposeSoon).observe(box);
addEventListener("focus", () => propose(true));

// --- the socket ------------------------------------------------------------------------------

const CHUNK = 16 * 1024;
const UNTAKEN = 64 * 1024;
const LATER_MS = [300, 1000, 2000, 4000];
const OVER = 1000;
const REFUSED = 1008;
const encoder = new TextEncoder();

let socket = null;
let cursor = null; // behind what has been written into the terminal
let head = 0; // what lies before was written before the page came
let sent = 0;
let taken = 0;
let waiting = []; // pieces of what was typed
let attempts = 0;
let isOver = false;

const isOpen = () => socket?.readyState === WebSocket.OPEN;
const say = (message) => isOpen() && socket.send(JSON.stringify(message));
const showStatus = (text) => {
  if (stateLine.textContent !== text) stateLine.textContent = text;
};

const pump = () => {
  while (isOpen() && waiting.length && sent - taken < UNTAKEN) {
    const piece = waiting.shift();
    sent += piece.length;
    socket.send(piece);
  }
};
const typeBytes = (bytes) => {
  if (!isMine()) propose(true);
  for (let at = 0; at < bytes.length; at += CHUNK) waiting.push(bytes.subarray(at, at + CHUNK));
  pump();
};

const take = (kind, at, content) => {
  const size = new DataView(content.buffer, content.byteOffset);
  const seen = () => {
    cursor = at;
    say({ seen: at });
  };
  if (kind === "S") {
    terminal.reset();
    terminal.resize(size.getUint16(0), size.getUint16(2));
    terminal.write(content.subarray(4), seen);
  } else if (kind === "R") {
    // in the order of the output
    terminal.write("", () => {
      terminal.resize(size.getUint16(0), size.getUint16(2));
      cursor = at;
    });
  } else if (kind === "D") {
    terminal.write(content, seen);
  } else if (kind === "E") {
    const status = size.getInt32(0);
    const words = status < 0 ? `ended by signal ${-status}` : status ? `ended with status ${status}` : "ended";
    terminal.write("", () => over(words));
  }
};

const over = (words) => {
  isOver = true;
  showStatus(words);
  terminal.options.disableStdin = true;
  bar?.remove();
};

const receive = ({ data }) => {
  attempts = 0;
  if (typeof data !== "string") {
    const view = new DataView(data);
    take(String.fromCharCode(view.getUint8(0)), view.getFloat64(1), new Uint8Array(data, 9));
    return;
  }
  const message = JSON.parse(data);
  if ("head" in message) head = message.head;
  if ("took" in message) {
    taken = message.took;
    pump();
  }
};

const connect = () => {
  const address = new URL(box.dataset.live, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  if (cursor !== null) address.searchParams.set("cursor", cursor);
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    showStatus("");
    sent = taken = 0;
    waiting = []; // typed into a screen that may be another one by now
    proposed = "";
    if (document.visibilityState === "visible") propose(true);
  };
  socket.onmessage = receive;
  socket.onclose = ({ code, reason }) => {
    if (isOver) return;
    if (code === OVER) return terminal.write("", () => isOver || over("was killed"));
    if (code === REFUSED) return over(reason || "This terminal is not here any more.");
    showStatus("Connecting…");
    setTimeout(connect, LATER_MS[Math.min(attempts++, LATER_MS.length - 1)]);
  };
};

// --- typing ----------------------------------------------------------------------------------

// What xterm.js says by itself when a program asks. With several viewers only one may answer, and
// none may answer what was asked before it came: the host decides by the message.
const ANSWER = /^(?:\x1b\[[?>=]?[\d;]*(?:[cRnt]|\$y)|\x1b\[\?[\d;]*u|\x1bP[^\x1b]*\x1b\\|\x1b\]\d+;[^\x07\x1b]*(?:\x07|\x1b\\))+$/;
const armed = { control: false, alt: false };
const keyOf = (name) => bar?.querySelector(`[data-key="${name}"]`);
const arm = (name, on) => {
  armed[name] = on;
  keyOf(name)?.setAttribute("aria-pressed", String(on));
};
const withControl = (text) => {
  const code = text.toUpperCase().charCodeAt(0);
  if (text === " ") return "\0";
  if (text === "?") return "\x7f";
  return code >= 0x40 && code < 0x60 ? String.fromCharCode(code & 0x1f) : text;
};
const withArmed = (text) => {
  let typed = text;
  if (armed.control && [...typed].length === 1) typed = withControl(typed);
  if (armed.alt) typed = `\x1b${typed}`;
  arm("control", false);
  arm("alt", false);
  return typed;
};
terminal.onData((text) => {
  if (isOver) return;
  if (ANSWER.test(text)) {
    if (cursor === null || cursor < head) return;
    say({ answer: text });
  } else typeBytes(encoder.encode(armed.control || armed.alt ? withArmed(text) : text));
});
terminal.onBinary((text) => typeBytes(Uint8Array.from(text, (each) => each.charCodeAt(0))));

const ARROWS = { left: "D", up: "A", down: "B", right: "C", home: "H", end: "F" };
const SENDS = {
  escape: "\x1b", tab: "\t", enter: "\r", interrupt: "\x03", "end-of-input": "\x04", "back-tab": "\x1b[Z",
  "page-up": "\x1b[5~", "page-down": "\x1b[6~", pipe: "|", slash: "/", tilde: "~", hyphen: "-",
};
const sequence = (name) => {
  const letter = ARROWS[name];
  if (!letter) return SENDS[name];
  const modifier = 1 + (armed.alt ? 2 : 0) + (armed.control ? 4 : 0);
  if (modifier === 1) return `\x1b${terminal.modes.applicationCursorKeysMode ? "O" : "["}${letter}`;
  arm("control", false);
  arm("alt", false);
  return `\x1b[1;${modifier}${letter}`;
};
const press = (name) => {
  const text = sequence(name);
  terminal.scrollToBottom();
  typeBytes(encoder.encode(armed.control || armed.alt ? withArmed(text) : text));
};

// --- the bar ---------------------------------------------------------------------------------

const { paste, openCopy } = clipboardOf(terminal);
if (bar) {
  bar.querySelector(".terminal-line").hidden = true;
  for (const key of bar.querySelectorAll("[data-key]")) key.hidden = false;
  // A press must not take the focus: the keyboard of a phone would go away.
  bar.addEventListener("pointerdown", (event) => event.target.closest(".key") && event.preventDefault());
  bar.addEventListener("mousedown", (event) => event.target.closest(".key") && event.preventDefault());
  bar.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter?.value) press(event.submitter.value);
  });
  bar.addEventListener("click", (event) => {
    const name = event.target.closest("[data-key]")?.dataset.key;
    if (name === "paste") paste();
    else if (name === "select") openCopy();
    else if (name) arm(name, !armed[name]);
  });
}

// --- fingers ---------------------------------------------------------------------------------

let touched = null;
box.addEventListener("touchstart", ({ touches }) => (touched = touches.length === 1 ? touches[0].clientY : null), {
  passive: true,
});
box.addEventListener(
  "touchmove",
  (event) => {
    if (touched === null) return;
    const height = box.querySelector(".xterm-screen").clientHeight / terminal.rows;
    const lines = Math.trunc((touched - event.touches[0].clientY) / height);
    if (!lines) return;
    touched -= lines * height;
    if (terminal.buffer.active.type === "normal") return terminal.scrollLines(lines);
    // A program with a screen of its own scrolls by the wheel, if it takes the mouse, or else by keys
    const wheel = `\x1b[<${lines > 0 ? 65 : 64};1;1M`;
    const key = terminal.modes.mouseTrackingMode === "none" ? sequence(lines > 0 ? "down" : "up") : wheel;
    typeBytes(encoder.encode(key.repeat(Math.abs(lines))));
  },
  { passive: true },
);

// --- width and letters -----------------------------------------------------------------------

const look = document.getElementById("terminal-look");
const choice = document.getElementById("terminal-columns");
look.hidden = false;
choice.value = String(columns);
choice.addEventListener("change", () => {
  columns = Number(choice.value);
  keep("columns", columns);
  propose(true);
});
const enlarge = (by) => {
  const size = Math.max(SMALLEST, Math.min(LARGEST, terminal.options.fontSize + by));
  terminal.options.fontSize = size;
  keep("font", size);
  requestAnimationFrame(() => propose(true));
};
document.getElementById("terminal-smaller").addEventListener("click", () => enlarge(-1));
document.getElementById("terminal-larger").addEventListener("click", () => enlarge(1));

box.opcodeTerminal = terminal;
document.fonts.ready.then(() => {
  connect();
  if (matchMedia("(hover: hover)").matches) terminal.focus();
});

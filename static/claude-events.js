// claude-events.js: sessions of Claude as events of the DOM, for pages that embed this server.
//
// An ES module without dependencies. This server's own pages do not load it.
//
//   import { ClaudeEvents } from "https://this-server/static/claude-events.js";
//   const claude = new ClaudeEvents("wss://this-server/ws/claude");
//   addEventListener("claude-output", (event) => console.log(event.detail));
//   const sessionId = await claude.execute("/path/to/project", "Add a README file");
//   addEventListener(`claude-complete:${sessionId}`, (event) => console.log(event.detail));
//
// The default address is /ws/claude on the server of this file. A page of another origin must be
// listed in OPCODE_ALLOWED_ORIGINS.
//
// On `window` (or the `target` option), each also with `:${sessionId}` after its name:
//
//   claude-output     detail: the output of Claude, parsed (a text if it is not JSON)
//   claude-complete   detail: true or false, once for each prompt
//   claude-error      detail: a sentence
//   claude-cancelled  detail: true, before claude-complete
//
// Methods. The first three return a promise of the session's id, rejected with a sentence:
//
//   execute(projectPath, prompt, options)            options: the fields of the socket's message,
//   continue(projectPath, prompt, options)           such as model, session_id, detach
//   resume(projectPath, sessionId, prompt, options)
//   prompt(sessionId, text)                          a further prompt, also while Claude works
//   cancel(sessionId)                                ends the run and its processes
//   permission(sessionId, requestId, decision, more) "allow" or "deny"; a request is an output of
//                                                    type control_request
//   attach(sessionId, cursor)                        follow a session from its first line on, or
//                                                    from a cursor of another page (`cursorOf`)
//   cursorOf(sessionId)
//   close()
//
// After a disconnect the socket reconnects and continues after the last received line: no line is
// lost or repeated. A prompt that may or may not have arrived is sent again under its id, and is
// carried out once. If reconnecting fails (after `patience` milliseconds, or when the server
// refuses), each session that has not completed gets claude-error and claude-complete with false.

const TRY_AGAIN_LATER = 1013;
const CLOSED_FOR_GOOD = [1000, 1008]; // by this page, and by the server after the login has ended
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5000;

const here = () => new URL("../ws/claude", import.meta.url.replace(/^http/, "ws")).href;

// Also over plain http, where crypto.randomUUID is missing
const newId = () =>
  "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
    (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16));

const parsed = (line) => {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
};

export class ClaudeEvents {
  #url;
  #target;
  #patience;
  #ws = null;
  #closed = false;
  #tries = 0;
  #cutAt = 0;
  #timer = 0;
  #sessions = new Map(); // by id: { cursor, working }
  #starting = []; // requested sessions that have not started: { message, resolve, reject }
  #unsent = []; // other messages, until there is a socket

  constructor(url = here(), { target = window, patience = 60000 } = {}) {
    this.#url = url;
    this.#target = target;
    this.#patience = patience;
    this.#connect();
  }

  execute(projectPath, prompt, options = {}) {
    // With an id of its own the session is found again if the socket closes before it has started
    return this.#start({ session_id: newId(), ...options, command_type: "execute", project_path: projectPath, prompt });
  }

  continue(projectPath, prompt, options = {}) {
    return this.#start({ ...options, command_type: "continue", project_path: projectPath, prompt });
  }

  resume(projectPath, sessionId, prompt, options = {}) {
    return this.#start({ ...options, command_type: "resume", project_path: projectPath, session_id: sessionId, prompt });
  }

  prompt(sessionId, text) {
    return this.#start({ command_type: "prompt", session_id: sessionId, prompt: text });
  }

  cancel(sessionId) {
    this.#send({ command_type: "cancel", session_id: sessionId });
  }

  permission(sessionId, requestId, decision, more = {}) {
    this.#send({ ...more, command_type: "permission", session_id: sessionId, request_id: requestId, decision });
  }

  attach(sessionId, cursor = null) {
    this.#sessions.set(sessionId, { cursor, working: false });
    if (this.#isOpen) this.#attach(sessionId, cursor);
  }

  cursorOf(sessionId) {
    return this.#sessions.get(sessionId)?.cursor ?? null;
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#ws?.close(1000);
  }

  // --- the socket ---------------------------------------------------------------------------

  get #isOpen() {
    return this.#ws?.readyState === WebSocket.OPEN;
  }

  #connect() {
    const ws = new WebSocket(this.#url);
    this.#ws = ws;
    ws.onopen = () => this.#opened();
    ws.onmessage = (event) => this.#hear(JSON.parse(event.data));
    ws.onclose = (event) => this.#cut(event.code);
  }

  #opened() {
    this.#tries = this.#cutAt = 0;
    for (const [sessionId, { cursor }] of this.#sessions) this.#attach(sessionId, cursor);
    for (const { message } of this.#starting) this.#ws.send(JSON.stringify(message));
    for (const message of this.#unsent.splice(0)) this.#ws.send(JSON.stringify(message));
  }

  #cut(code) {
    if (this.#closed) return;
    this.#cutAt ||= Date.now();
    if (CLOSED_FOR_GOOD.includes(code) || Date.now() - this.#cutAt >= this.#patience) return this.#giveUp(code);
    // A server with too many clients accepts the socket and closes it at once; that is no success.
    const wait = code === TRY_AGAIN_LATER ? LONGEST_WAIT_MS : Math.min(FIRST_WAIT_MS * 2 ** this.#tries++, LONGEST_WAIT_MS);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #giveUp(code) {
    this.#closed = true;
    const why = `The connection to Claude was lost (${code}).`;
    for (const { reject } of this.#starting.splice(0)) reject(new Error(why));
    for (const [sessionId, { working }] of [...this.#sessions]) if (working) this.#lose(sessionId, why);
  }

  #send(message) {
    if (this.#isOpen) this.#ws.send(JSON.stringify(message));
    else this.#unsent.push(message);
  }

  #attach(sessionId, cursor) {
    this.#send({ command_type: "attach", session_id: sessionId, ...(cursor && { cursor }) });
  }

  #start(message) {
    if (this.#closed) return Promise.reject(new Error("The connection to Claude is closed."));
    message.prompt_id ??= newId();
    return new Promise((resolve, reject) => {
      this.#starting.push({ message, resolve, reject });
      if (this.#isOpen) this.#ws.send(JSON.stringify(message));
    });
  }

  // --- messages -----------------------------------------------------------------------------

  #hear(message) {
    const sessionId = message.session_id;
    if (message.type === "start") return this.#begun(message);
    if (message.type === "error" && !message.run_id) return this.#refused(message);
    const session = this.#sessions.get(sessionId);
    if (!session) return;
    session.cursor = message.cursor ?? session.cursor;
    switch (message.type) {
      case "output":
        return this.#dispatch("claude-output", parsed(message.content), sessionId);
      case "error":
        return this.#dispatch("claude-error", message.message, sessionId);
      case "cancelled":
        return this.#dispatch("claude-cancelled", true, sessionId);
      case "completion":
        session.working = false;
        return this.#dispatch("claude-complete", message.status === "success", sessionId);
    }
  }

  #begun(message) {
    const index = this.#starting.findIndex((each) => each.message.prompt_id === message.prompt_id);
    if (index < 0) return;
    const [{ resolve }] = this.#starting.splice(index, 1);
    const session = this.#sessions.get(message.session_id) ?? { cursor: message.cursor };
    session.working = true;
    this.#sessions.set(message.session_id, session);
    resolve(message.session_id);
  }

  #refused(message) {
    const index = this.#starting.findIndex((each) => each.message.prompt_id === message.prompt_id);
    if (index >= 0) this.#starting.splice(index, 1)[0].reject(new Error(message.message));
    if (message.command_type === "attach") return this.#lose(message.session_id, message.message);
    this.#dispatch("claude-error", message.message, message.session_id);
  }

  // No more messages of a session can arrive
  #lose(sessionId, why) {
    const working = this.#sessions.get(sessionId)?.working;
    this.#sessions.delete(sessionId);
    this.#dispatch("claude-error", why, sessionId);
    if (working) this.#dispatch("claude-complete", false, sessionId);
  }

  #dispatch(name, detail, sessionId) {
    this.#target.dispatchEvent(new CustomEvent(name, { detail }));
    if (sessionId) this.#target.dispatchEvent(new CustomEvent(`${name}:${sessionId}`, { detail }));
  }
}

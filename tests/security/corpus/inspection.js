// What is wrong with a document into which vectors were planted, and what can be read in it.
// `html`: a page as it came from the server, parsed as where scripts are off; null: the live one.
({ html, golden }) => {
  const root = html === null ? document : new DOMParser().parseFromString(html, "text/html");
  const wrong = [];
  const texts = [];
  const values = [];
  const ids = new Set();
  const known = (list) => new Set(list);
  const tags = known(golden.tags), attributes = known(golden.attributes);
  const styles = new Set(); // a first page has our stylesheets in it
  const readable = known(golden.readable), controls = known(golden.controls);
  const names = new RegExp(`^(?:${golden.names})$`, "s"), images = new RegExp(golden.images);
  const complain = (element, what) => wrong.push(`${what}: ${element.outerHTML.slice(0, 300)}`);

  const link = (element, name, value) => {
    if (/^\s*[/\\]{2}/.test(value)) return complain(element, `${name} to another host`);
    let url;
    try {
      url = new URL(value, location.href);
    } catch {
      // a browser leads nowhere with it
      return /^https?:/i.test(value) || complain(element, `${name} that is no address`);
    }
    const ours = url.origin === location.origin;
    if (name !== "href" || element.localName !== "a") {
      if (!ours && !(url.protocol === "data:" && golden.data)) complain(element, `${name} to elsewhere`);
      if (ours && /^\/canary/.test(url.pathname)) complain(element, `${name} that was planted`);
      return;
    }
    if (golden.data && /^data:(application\/octet-stream|image\/(png|jpeg|gif|webp));base64,/.test(value)) return;
    if (!["http:", "https:", "mailto:"].includes(url.protocol)) return complain(element, "link of another kind");
    if (url.protocol !== "mailto:" && !ours && !/noopener/.test(element.rel)) complain(element, "link that can reach back");
    if (ours && /^\/canary/.test(url.pathname)) complain(element, "link that was planted");
  };

  const addresses = known(["href", "src", "action", "formaction", "hx-get", "hx-post", "hx-ws:connect", "data-earlier", "data-address", "data-select"]);
  const inspect = (element) => {
    const tag = element.localName;
    if (element.namespaceURI !== "http://www.w3.org/1999/xhtml" && !element.closest("a.brand, a.back, .menu-button, .attach, .send, .stop, .run-more, .dictate, .nav-item, .nav-close, .project-chip, .folder-row, .folder-make, .pin-mark, .select-action, .library, .home-search, .home-project"))
      return complain(element, "drawing or formula");
    if (!tags.has(tag)) complain(element, "element");
    for (const { name, value } of element.attributes) {
      // measured by session.js
      if (name === "style" && tag === "html" && /^(--(dock|keyboard): [\d.]+px; ?)+$/.test(value)) continue;
      if (!attributes.has(name)) complain(element, `attribute ${name}`);
      if (name === "name" && !(controls.has(tag) && names.test(value))) complain(element, "name");
      if (name.startsWith("hx-") && !new RegExp(golden.hx[name] ?? "$^").test(tag + (element.id ? `#${element.id}` : "")))
        complain(element, `${name} on`);
      if (addresses.has(name)) link(element, name, value);
      if (readable.has(name)) values.push(value);
      else if (/canary/i.test(value) && !addresses.has(name)) complain(element, `planted ${name}`);
      if (name === "id") {
        if (ids.has(value)) complain(element, "id that there is already");
        if (value in document.documentElement) complain(element, "id of what every element has");
        ids.add(value);
      }
    }
    if (tag === "script" && (element.textContent.trim() || !element.src)) complain(element, "script");
    if (tag === "style") styles.add(element.textContent);
    if (tag === "img" && !images.test(element.getAttribute("src") ?? "") && !golden.data) complain(element, "image");
    if (tag === "input" && ["submit", "image", "reset", "button"].includes(element.type)) complain(element, "button");
    if (tag === "form" && element.method === "post" && !element.matches(".login") && !element.querySelector("[name=csrf_token]"))
      complain(element, "form without a token");
    if (tag === "textarea" || tag === "input") values.push(element.value);
  };

  const walker = root.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT | NodeFilter.SHOW_COMMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.ELEMENT_NODE) inspect(node);
    else if (node.nodeType === Node.TEXT_NODE) node.parentElement?.localName === "style" || texts.push(node.data);
    else complain(node.parentElement ?? root.documentElement, `comment ${node.data.slice(0, 100)} in`);
  }
  return { wrong: wrong.slice(0, 20), text: texts.join(""), values, styles: [...styles] };
}

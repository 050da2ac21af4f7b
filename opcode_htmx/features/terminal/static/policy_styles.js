// Lets xterm.js style its elements under the policy of the page, which allows no <style> elements and
// no style attributes. xterm.js writes both; here they become adopted style sheets and properties,
// which the policy leaves to scripts.

const adopt = (element) => {
  const sheet = new CSSStyleSheet();
  let text = "";
  Object.defineProperty(element, "textContent", {
    get: () => text,
    set: (value) => {
      text = value;
      sheet.replaceSync(value);
    },
  });
  const remove = element.remove.bind(element);
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
    remove();
  };
  document.adoptedStyleSheets.push(sheet);
  return element;
};
function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}
document.createElement = (...given) => {
  const isStyle = given[0] === "style";
  const element = Document.prototype.createElement.apply(document, isStyle ? ["template"] : given);
  if (isStyle) return adopt(element);
  if (given[0] === "span") element.setAttribute = setAttribute;
  return element;
};

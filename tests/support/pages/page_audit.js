// The part of page_audit.py that runs in a page, inside of a function that knows the measurements
// of page_checks.py and axe-core. What it has met is kept until the page is loaded again.

const load = Math.random();
const met = { width: 0, looks: new Map(), elements: new Set(), scrolling: new Set() };

/** Adds a value; whether it was not there before. */
function isNew(known, value) {
    const size = known.size;
    return known.add(value).size > size;
}

/** By how many pixels the page is wider than the screen. */
const excess = () => Math.max(0, document.documentElement.scrollWidth - innerWidth);

const all = selector => [...document.querySelectorAll(selector)];

/** A short name for a text, the same on every page. */
function named(text) {
    let [low, high] = [0xdeadbeef, 0x41c6ce57];
    for (let at = 0; at < text.length; at++) {
        const code = text.charCodeAt(at);
        [low, high] = [Math.imul(low ^ code, 2654435761), Math.imul(high ^ code, 1597334677)];
    }
    return `${(low >>> 0).toString(36)}${(high >>> 0).toString(36)}`;
}

/** What an element paints below its text, or changes there; empty for nothing. */
function paintOf(element) {
    const style = getComputedStyle(element);
    const found = [
        style.backgroundColor === "rgba(0, 0, 0, 0)" ? "" : style.backgroundColor,
        style.backgroundImage.replace(/^none$/, ""), style.opacity.replace(/^1$/, ""),
        style.filter.replace(/^none$/, ""), style.mixBlendMode.replace(/^normal$/, ""),
    ];
    const lies = !["static", "relative"].includes(style.position) && element.offsetWidth > 1;
    if (lies && !style.backgroundColor.startsWith("rgb("))  // on what it does not stand in
        found.push(load, innerWidth);
    return found.join("");
}

/** The name of all that is painted behind the text of an element; `grounds` are those found. */
function groundOf(element, grounds) {
    if (!element) return "";
    if (!grounds.has(element)) {
        const behind = groundOf(element.parentElement, grounds), paint = paintOf(element);
        grounds.set(element, paint ? named(`${behind} ${paint}`) : behind);
    }
    return grounds.get(element);
}

/** The look of an element's own text, by value; empty if it has none. */
function lookOf(element, style, grounds) {
    const hasText = element.matches("input, select, textarea")
        || [...element.childNodes].some(each => each.nodeType === 3 && each.data.trim());
    if (!hasText) return "";
    const box = element.getBoundingClientRect();
    const isAway = box.right <= 0 || box.bottom + scrollY <= 0 || box.width <= 1;
    return named([
        matchMedia("(prefers-color-scheme: dark)").matches, groundOf(element, grounds),
        style.color, style.fontSize, style.fontWeight, style.textShadow,
        style.textDecorationLine, style.display, isAway,
    ].join());
}

function scrolls(element, style) {
    const can = over => over === "auto" || over === "scroll";
    return (can(style.overflowY) && element.scrollHeight > element.clientHeight)
        || (can(style.overflowX) && element.scrollWidth > element.clientWidth);
}

/** The part whose inline text an element belongs to: a link in it differs from the text around. */
function partOf(element) {
    const inline = getComputedStyle(element).display.startsWith("inline");
    return inline && element.parentElement ? partOf(element.parentElement) : element;
}

/** The name of an element of the navigation, in which those of all pages differ in their words. */
function inNavigation(element, does) {
    if (!element.closest(".nav")) return "";
    const own = element.cloneNode(false);
    if (own.hasAttribute("href")) own.href = "#";
    return named(`${does} ${own.outerHTML} ${element.textContent.trim() !== ""}`);
}

/** What becomes of the look of an element in another width than the first; empty for nothing. */
function changeOf(element, look) {
    met.width ||= innerWidth;
    const key = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    if (!met.looks.has(key)) met.looks.set(key, new Map());
    const looks = met.looks.get(key);
    if (innerWidth === met.width) looks.set(element, look);
    const before = looks.get(element);
    return before === look ? "" : named(`${innerWidth} ${before} ${look}`);
}

/**
 * Whether a part is shown that axe-core has not met so, in the navigation of an earlier page either.
 * Adds to `frame` the names of those in the navigation; to `texts` those that have a look that is
 * not `known`: the parts that they belong to, by look; and to `changes` what other widths make of
 * looks, if it is not known.
 */
function meet(known, frame, texts, changes) {
    let hasNewPart = false;
    const grounds = new Map();
    const add = (found, element, does) => {
        if (!isNew(found, element)) return;
        const name = inNavigation(element, does);
        if (name) frame.push(name);
        if (!known.has(name)) hasNewPart = true;
    };
    for (const element of all("body, body *")) {
        if (!element.checkVisibility({ visibilityProperty: true })) continue;
        const style = getComputedStyle(element);
        add(met.elements, element, "is");
        if (scrolls(element, style)) add(met.scrolling, element, "scrolls");
        const look = lookOf(element, style, grounds);
        const change = look && changeOf(element, look);
        if (change && !known.has(change)) changes.push(change);
        if (look && !known.has(look)) texts.set(look, [...texts.get(look) ?? [], partOf(element)]);
    }
    return hasNewPart;
}

/** What axe-core finds: all but the colours if there is a new part, those in the parts of `texts`. */
async function complaints(hasNewPart, texts) {
    const off = colours.map(each => [each, { enabled: false }]);
    const found = hasNewPart ? await violations({ rules: Object.fromEntries(off) }) : [];
    if (!texts.size) return found;
    const include = [...new Set([...texts.values()].flat())];
    // to find out what is in many parts takes longer than to look at all
    const where = include.length < 40 ? { include } : document;
    return [...found, ...await violations({ runOnly: colours }, where)];
}

window.opcodeAudit = {
    async look({ thumb, known }) {
        const frame = [], texts = new Map(), changes = [];
        const hasNewPart = meet(new Set(known), frame, texts, changes);
        return {
            looks: [...texts.keys(), ...frame],
            changes,
            violations: await complaints(hasNewPart, texts),
            wider: excess(),
            small: smallerThanAThumb(all(targets), thumb),
            letters: tooSmallToTypeIn(all(fields)),
        };
    },
    fits: () => ({
        wider: excess(),
        away: outOfView(all(alwaysInView)),
        words: wordALine(all(mayBeNarrow)),
    }),
    fitsRoot(letters) {
        const { style } = document.documentElement;
        style.fontSize = `${letters}px`;
        const found = this.fits();
        style.fontSize = "";
        return found;
    },
    /** The text of the main part as it is, and as the HTML of the server shows it without scripts. */
    texts(html) {
        const { body } = document;
        const without = new DOMParser().parseFromString(html, "text/html").body;
        const added = [...document.styleSheets].filter(
            each => each.href && !html.includes(new URL(each.href).pathname));
        const texts = { scripts: mainText() };
        // no script runs meanwhile, and none runs that is put into a page like this
        added.forEach(each => { each.disabled = true; });
        document.documentElement.replaceChild(without, body);
        openCards();
        texts.without = mainText();
        document.documentElement.replaceChild(body, without);
        added.forEach(each => { each.disabled = false; });
        return texts;
    },
    /** Whether a stylesheet asks whether scripts run. */
    asksForScripts: () => [...document.styleSheets].some(sheet => [...sheet.cssRules].some(
        rule => !(rule instanceof CSSStyleRule) && rule.cssText.includes("(scripting:"))),
    structure: () => ({
        headings: all("h1").length,
        title: document.title,
        entries: all("nav a.nav-item").map(each => each.getAttribute("href")),
        marked: currentEntries(all("nav a[aria-current]")),
    }),
};

// The part of page_audit.py that runs in a page, inside of a function that knows the measurements
// of page_checks.py and axe-core. What it has met is kept until the page is loaded again.

const load = Math.random();
const met = { elements: new Set(), scrolling: new Set() };

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

/**
 * Whether a part is shown that axe-core has not met so. Adds to `texts` those that have a look that
 * is not `known`: the parts that they belong to, by look.
 */
function meet(known, texts) {
    let hasNewPart = false;
    const grounds = new Map();
    for (const element of all("body, body *")) {
        if (!element.checkVisibility({ visibilityProperty: true })) continue;
        const style = getComputedStyle(element);
        if (isNew(met.elements, element)) hasNewPart = true;
        if (scrolls(element, style) && isNew(met.scrolling, element)) hasNewPart = true;
        const look = lookOf(element, style, grounds);
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
        const texts = new Map(), hasNewPart = meet(new Set(known), texts);
        return {
            looks: [...texts.keys()],
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
    structure: () => ({
        headings: all("h1").length,
        title: document.title,
        entries: all("nav a.nav-item").map(each => each.getAttribute("href")),
        marked: currentEntries(all("nav a[aria-current]")),
    }),
};

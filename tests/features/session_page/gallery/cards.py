"""The cards of the gallery: what they say, and what they open."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.features.session_page.gallery.view import DOCK, IS_SEEN, View

# The expected content of the pages
CARDS: dict[str, list[tuple[str, str]]] = {
    "files": [
        ("Read app.py 6–12", '"""Kilograms in a usual year."""'),
        ("Read photo.png", "The image stands below."),
        ("Edit app.py +1 −1", "+    return -(-kilograms // size)"),
        ("Write notes.md +4", "+- Apples in September"),
        ("Read harvest.ipynb", "print(trees)"),
        ("NotebookEdit harvest.ipynb +2 −2", "+print(trees * 40)"),
        ("Bash python3 app.py", "960 kg in 64 baskets"),
        ("Bash sh check.sh — exit 1", "✗ fills baskets"),
        ("Bash seq 1 4000", "Show all"),
        ("Task Count the trees — 1 tool call", "There are 24 trees."),
        ("weather: forecast", "rain in the afternoon, 17 °C"),
        ("WebFetch orchard.invalid error", "Unable to verify"),
    ],
    "events": [("Hook SessionStart:startup", "The orchard is open from 8 to 18 o'clock.")],
    "past": [
        ("MultiEdit app.py +2 −2", "+size=20"),
        ('Grep "harvest" — 2 files', "notes.md"),
        ("Glob **/*.py — 1 file", "app.py"),
        ("WebFetch example.org", "In winter, before the buds swell."),
        ('WebSearch "old apple varieties" — 2 results', "Boskoop"),
        ("tree_ring", '"rings": 42'),
    ],
    "answer": [("Thinking", "The photo shows a row of trees.")],
}
"""Collapsible parts: the line while closed, and some of the content. The page of the answer stays
open for more."""

SAID = {
    "answer": ["How is the orchard doing?", "Here is what I found", "inside their box"],
    "files": [
        "The files are tidy.",
        "New task Run the tests",
        "Task #1 completed",
        "All is checked.",
    ],
    "events": [
        "The API answered with status 529; Claude tries again",
        "Now it went through.",
        "Too many trees.",
        "The conversation so far was compacted, from",
        "Request interrupted by user.",
    ],
    "past": ["To-do list 1 of 2 done", "The 5-hour limit is reached. It ends at"],
}
"""Texts visible without opening anything."""


# The cards
def cards_say_what_happened_and_open(view: View) -> None:
    for name, cards in CARDS.items():
        view.open(name)
        transcript = view.page.locator("#transcript")
        view.shows(name, transcript, *SAID[name])
        with view.looking_at(name):
            assert not (wrong := transcript.evaluate(OPENED, cards)), wrong
        controls = "#transcript summary, #dock .button, .topbar .back, .menu-button"
        view.fits(name, f"{controls}, {DOCK}", narrower=320)
        LOOKS[name](view)


OPENED = f"""(transcript, cards) => cards.map(([line, detail]) => {{
    const isSeen = {IS_SEEN};
    const summary = [...transcript.querySelectorAll("summary")].find(each => isSeen(each, line));
    if (!summary) return `${{line}}: there is no such line`;
    const wasSeen = isSeen(summary.parentElement, detail);
    summary.click();
    if (wasSeen || !isSeen(summary.parentElement, detail))
        return `${{line}}: ${{detail}} is ${{wasSeen ? "seen while closed" : "unseen while open"}}`;
}}).filter(Boolean)"""
"""What is wrong with the cards as they are opened; `View.fits` ensures that a thumb can do that."""


def in_answer(view: View) -> None:
    with view.looking_at("Markdown"):
        page = view.page
        expect(page.locator(".block-text .task.done")).to_have_count(2)
        expect(page.locator(".block-text pre .k").first).to_have_text("def")
        expect(page.locator(".block-prompt img")).to_have_js_property("naturalWidth", 320)
        wider = "each => each.scrollWidth > each.clientWidth"
        assert page.locator(".block-text pre").last.evaluate(wider), "the long line scrolls"
        for size in view.sizes():
            scrolls = page.locator(".block-text .scroll").last.evaluate(wider)
            assert scrolls or size == "wide", "the table scrolls"
    for theme in view.themes():
        background, text = view.page.evaluate(COLOURS)
        with view.looking_at("colours"):
            assert (background < 0.2 < 0.8 < text) == (theme == "dark")
            assert (text < 0.2 < 0.8 < background) == (theme == "light")
    view.picture("thinking", view.page.locator(".block-thinking"))
    view.picture("wide", view.card("inside their box"))
    view.page.locator(".block-thinking summary").click()
    view.page.evaluate("scrollTo(0, 0)")
    view.picture("answer", views="small phone wide")


COLOURS = """() => ["backgroundColor", "color"].map(name => {
    const [r, g, b] = getComputedStyle(document.body)[name].match(/\\d+/g).map(Number);
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
})"""


def in_files(view: View) -> None:
    with view.looking_at("diff"):
        edit = view.page.locator(".block-tool", has_text="Edit app.py").first
        expect(edit.locator(".diff-add .m").first).to_be_visible()
        expect(edit.locator(".diff-add")).to_have_attribute("data-n", "12")
    with view.looking_at("image"):
        image = view.page.locator(".block-tool img")
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("naturalWidth", 320)
    view.picture("read", view.card("Read app.py"), view.card("Read photo.png"))
    view.picture("edit", view.card("Edit app.py"), view.card("Write notes.md"))
    view.picture("notebook", view.card("NotebookEdit"))
    view.page.evaluate("scrollTo(0, 0)")
    view.picture("files", views="wide")
    commands_among_them(view)


def commands_among_them(view: View) -> None:
    with view.looking_at("terminal"):
        failed = view.page.locator(".block-tool[data-state=error]").first
        expect(failed.locator(".a1")).to_have_text("✗ fills baskets")
    with view.looking_at("subagent"):
        expect(view.page.locator(".block-tool .children .block-tool")).to_contain_text("Bash ls")
    view.picture("bash", view.card("Bash python3 app.py"), view.card("Bash sh check.sh"))
    view.picture("long", view.card("Bash seq 1 4000"))
    view.picture("agent", view.card("Task Count the trees"))
    view.picture("mcp", view.card("weather: forecast"), view.card("WebFetch"))
    with view.looking_at("the list of tasks"):
        todos = view.page.locator("#todos")
        expect(todos.locator("summary")).to_have_text("1 of 3 done Counting the trees")
        todos.locator("summary").click()
        expect(todos.locator("li.todo-done")).to_contain_text("Run the tests")
        expect(todos.locator("li.todo-now")).to_contain_text("Count the trees")
    view.fits("the list of tasks", "#todos summary, #dock .button")
    view.picture("tasks", view.page.locator("#dock"))


def in_events(view: View) -> None:
    with view.looking_at("an error"):
        expect(view.page.locator(".block-error")).to_contain_text("Too many trees.")
    view.picture("events", view.card("Hook"), view.card("The conversation so far"))
    view.picture("interrupted", view.card("Request interrupted"), view.page.locator("#dock"))


def in_past(view: View) -> None:
    with view.looking_at("links"):
        link = view.page.get_by_role("link", name="Boskoop")
        expect(link).to_have_attribute("href", "https://example.org/boskoop")
    view.picture("search", view.card("MultiEdit"), view.card("To-do list"))
    view.picture("web", view.card("WebFetch"), view.card("WebSearch"))
    view.picture("unknown", view.card("tree_ring"), view.card("limit is reached"))


LOOKS = {
    "answer": in_answer,
    "files": in_files,
    "events": in_events,
    "past": in_past,
}

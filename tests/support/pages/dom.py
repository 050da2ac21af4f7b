"""A page in miniature: HTML as a tree, and hx-upsert as htmx does it to that tree.

The rules are those of static/vendor/hx-upsert.js: an element whose id the page has replaces it;
another one goes into the target in front of the first child with a greater key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "link", "meta", "wbr"}


class Node:
    """An element and its content."""

    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Node | str] = []

    @property
    def elements(self) -> list[Node]:
        return [child for child in self.children if isinstance(child, Node)]

    @property
    def id(self) -> str:
        return self.attributes.get("id") or ""

    @property
    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.elements:
            yield from child.walk()

    def find(self, id_: str) -> Node | None:
        return next((node for node in self.walk() if node.id == id_), None)

    def __str__(self) -> str:
        if self.tag == "#page":
            return "".join(map(_html, self.children))
        attributes = "".join(
            f" {name}" if value is None else f' {name}="{escape(value)}"'
            for name, value in self.attributes.items()
        )
        inner = "" if self.tag in VOID else "".join(map(_html, self.children)) + f"</{self.tag}>"
        return f"<{self.tag}{attributes}>{inner}"


def _html(child: Node | str) -> str:
    return escape(child) if isinstance(child, str) else str(child)


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.path = [Node("#page", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self.path[-1].children.append(node)
        if tag not in VOID:
            self.path.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.path.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.path[-1].children.append(data)


def parse(html: str) -> Node:
    """The tree of well-formed HTML; an element that is closed wrongly is an error."""
    builder = _Builder()
    builder.feed(str(html))
    builder.close()
    (page,) = builder.path
    return page


def apply(page: Node, fragments: str) -> None:
    """Apply these fragments to the page as htmx does."""
    elements = parse(fragments).elements
    for element in elements:
        if element.attributes.get("hx-swap-oob") == "delete":
            _remove(page, element.id)
    for element in elements:
        if element.attributes.get("hx-swap-oob") == "delete":
            continue
        if element.tag == "hx-upsert":
            target = page.find((element.attributes["hx-target"] or "").removeprefix("#"))
            assert target is not None, element.attributes
            key = element.attributes.get("key") or "id"
            assert key in ("data-order", "id")
            for new in element.elements:
                _upsert(page, target, new, key)
        elif element.attributes["hx-swap-oob"] == "innerMorph":
            target = page.find(element.id)
            assert target is not None, element.id
            target.children = element.children
        else:
            assert element.attributes["hx-swap-oob"] == "true", element.attributes
            assert _replace(page, new=element), element.id


def _upsert(page: Node, target: Node, new: Node, attribute: str) -> None:
    if _replace(page, new):
        return
    key = _key(new, attribute)
    for position, child in enumerate(target.children):
        if isinstance(child, Node) and _key(child, attribute) > key:
            target.children.insert(position, new)
            return
    target.children.append(new)


def _remove(page: Node, id_: str) -> None:
    for node in page.walk():
        for child in node.elements:
            if child.id == id_:
                node.children.remove(child)
                return


def _replace(page: Node, new: Node) -> bool:
    to_look_at = [page]  # not `walk`, which takes long where there is much
    while to_look_at:
        node = to_look_at.pop()
        for position, child in enumerate(node.children):
            if isinstance(child, Node):
                if child.id == new.id:
                    node.children[position] = new
                    return True
                to_look_at.append(child)
    return False


def _key(node: Node, attribute: str) -> list[tuple[int, str]]:
    """As localeCompare with numeric: runs of digits count as numbers."""
    pieces = re.findall(r"\d+|\D+", node.attributes.get(attribute) or "")
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces]


def form_of(html: str, button: str) -> tuple[str, dict[str, str]]:
    """The address and the fields that a browser without scripts sends on a press of a button.

    `button` is part of its words.
    """
    forms = (
        (form, each) for form in parse(html).walk() if form.tag == "form" for each in form.walk()
    )
    form, pressed = next((f, e) for f, e in forms if e.tag == "button" and button in e.text)
    fields = {
        name: _value(each)
        for each in (pressed, *form.walk())
        if each is pressed or each.tag in ("input", "select", "textarea")
        if "checked" in each.attributes or each.attributes.get("type") not in ("radio", "checkbox")
        if (name := each.attributes.get("name"))
    }
    return pressed.attributes.get("formaction") or form.attributes["action"] or "", fields


def _value(control: Node) -> str:
    if control.tag == "textarea":
        return control.text.removeprefix("\n")
    if control.tag == "select":
        options = [each for each in control.walk() if each.tag == "option"]
        control = next((each for each in options if "selected" in each.attributes), options[0])
    return control.attributes.get("value") or ""

"""Find `<tag>…</tag>` blocks at the ends of a text. Pure, and linear in the length of the text.

Untrusted texts may hold anything, so no stretch of a text is searched twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

_SPACE = late_pattern(r"\s*")
_MOST_BLOCKS = 1000
"""The most blocks at one end of a text; anything after them counts as words."""
_LONGEST_HEAD = 1000
"""Characters of an opening tag with its attributes."""
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&apos;": "'", "&amp;": "&"}
_ENTITY = late_pattern("|".join(_ENTITIES))
_PERSISTED = "<persisted-output>", "</persisted-output>"


@dataclass(frozen=True, slots=True)
class Block:
    """One block; it lies in `[start, end)` of the text that it was found in."""

    tag: str
    head: str
    """The text between the tag's name and its `>`."""
    text: str
    start: int
    end: int

    def attribute(self, name: str) -> str:
        """The value of an attribute in double quotes; empty if there is none."""
        _, found, rest = f" {self.head}".partition(f' {name}="')
        return rest.partition('"')[0] if found else ""


def whole(text: str, tag: str) -> Block | None:
    """The block that the text consists of, however many closing tags are inside it."""
    begin, close = f"<{tag}>", f"</{tag}>"
    if text.startswith(begin) and text.endswith(close) and len(text) >= len(begin) + len(close):
        return Block(tag, "", text[len(begin) : -len(close)], 0, len(text))
    return None


def opening(text: str, tag: str, *, greedy: bool = False) -> Block | None:
    """The block at the very start of the text; `greedy`: up to the last of its closing tags."""
    return _block_at(text, 0, (tag,), tag if greedy else "")


def leading(text: str, tags: Sequence[str]) -> tuple[int, list[Block]]:
    """The blocks at the start of the text, and where they end.

    Reminders count only where a line ends behind them: in front of words on the same line they
    are a part of the sentence.
    """
    at, blocks = 0, list[Block]()
    while len(blocks) < _MOST_BLOCKS and (block := _block_at(text, _skip(text, at), tags)):
        following = text[block.end : block.end + 1]
        if block.tag.startswith("system") and following not in ("", "\n", "\r", "<"):
            break
        blocks.append(block)
        at = block.end
    return at, blocks


def trailing(text: str, begin: int, tags: Sequence[str]) -> tuple[int, list[Block]]:
    """The blocks at the end of the text, behind `begin`, each at the start of a line."""
    end, blocks = len(text), list[Block]()
    while len(blocks) < _MOST_BLOCKS and (block := _block_before(text, begin, end, tags)):
        blocks.append(block)
        end = block.start
    return end, blocks[::-1]


def sequence(text: str, tags: Sequence[str], greedy: str) -> list[Block]:
    """The blocks that the text consists of, with nothing but space between; else none.

    The block `greedy` holds a person's words: it ends at the last of its closing tags.
    """
    at, blocks = 0, list[Block]()
    while at < len(text):
        block = _block_at(text, at, tags, greedy)
        if block is None or any(block.tag == other.tag for other in blocks):
            return []
        blocks.append(block)
        at = _skip(text, block.end)
    return blocks


def outputs(text: str, tags: Sequence[str]) -> list[Block]:
    """The blocks that the text consists of, in the order of `tags`; else none.

    They hold output of programs, so each ends at the last of its closing tags.
    """
    at, blocks = 0, list[Block]()
    for tag in tags:
        begin, close = f"<{tag}>", f"</{tag}>"
        end = text.rfind(close) if text.startswith(begin, at) else -1
        if end >= at + len(begin):
            inside = text[at + len(begin) : end]
            blocks.append(Block(tag, "", inside, at, end + len(close)))
            at = _skip(text, end + len(close))
    return blocks if at == len(text) else []


def field(text: str, tag: str) -> str:
    """The content of the first `<tag>` of a text, stripped; empty if there is none."""
    _, found, rest = text.partition(f"<{tag}>")
    inside, closed, _ = rest.partition(f"</{tag}>")
    return inside.strip() if found and closed else ""


def unescaped(output: str) -> str:
    """The output of a shell command. Newer versions of the CLI escape it as HTML does."""
    start, close = _PERSISTED
    if output.startswith(start) and output.rstrip().endswith(close):
        output = output.rstrip()[len(start) : -len(close)].strip("\n")
    entities = len(_ENTITY.findall(output))
    if "<" in output or ">" in output or entities != output.count("&"):
        return output  # an older version stored it as it was printed
    return _ENTITY.sub(lambda found: _ENTITIES[found[0]], output)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _block_at(text: str, at: int, tags: Sequence[str], greedy: str = "") -> Block | None:
    for tag in tags:
        begin = f"<{tag}"
        if not text.startswith(begin, at):
            continue
        inside = at + len(begin)
        head_end = text.find(">", inside, inside + _LONGEST_HEAD)
        if head_end == -1 or text[inside] not in "> \t\n":
            continue
        close = f"</{tag}>"
        find = text.rfind if tag == greedy else text.find
        end = find(close, head_end + 1)
        if end == -1:
            return None
        head = text[inside:head_end].strip()
        return Block(tag, head, text[head_end + 1 : end], at, end + len(close))
    return None


def _block_before(text: str, begin: int, end: int, tags: Sequence[str]) -> Block | None:
    while end > begin and text[end - 1].isspace():
        end -= 1
    for tag in tags:
        close = f"</{tag}>"
        if not text.endswith(close, begin, end):
            continue
        start = text.rfind(f"<{tag}>", begin, end)
        if start == -1 or (start > begin and text[start - 1] != "\n"):
            return None
        inside = text[start + len(tag) + 2 : end - len(close)]
        return Block(tag, "", inside, start, end)
    return None

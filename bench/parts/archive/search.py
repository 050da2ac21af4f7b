"""The index of a million lines: making it, its size, and queries as one types.

The floor of making it is a bare read and parse of the same files with orjson; that of a query, one
for a word that does not occur.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from bench.data import many_sessions
from bench.figures import Figure, Target
from opcode_htmx.engines.claude.files import history
from opcode_htmx.sessions.index.excerpts import excerpt_of
from opcode_htmx.sessions.index.file_pass import Facts, FilePass
from opcode_htmx.sessions.index.indexer import Indexer
from opcode_htmx.sessions.index.reader import IndexReader
from opcode_htmx.sessions.index.search import Query

TYPED = (
    *("the retry", "cache", "invoices", "pytest", '"drop the old', "登录", "검색", "session"),
    *("def", "return", "test_cache", "kitchen"),
)
"""Queries, each of which is sent after every letter from the second one on."""
LOOKS = 50

MAKING = Target("ratio", 1 / 0.6)
SIZE = Target("worst", 60)
TYPING = Target("p95", 100)
LOOK = Target("median", 5)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        config_dir = Path(folder) / "claude"
        many_sessions.generate(config_dir)
        return list(_figures(config_dir, Path(folder) / "sessions.sqlite"))


def _figures(config_dir: Path, database: Path) -> Iterator[Figure]:
    root = history.root(config_dir)
    files = list(root.rglob("*.jsonl"))
    floor = _seconds_to_parse(files)
    began = time.perf_counter()
    indexer = Indexer(database, config_dir)
    for _ in indexer.look():
        pass
    took = time.perf_counter() - began
    yield Figure("The whole index", "s", [took], "bare read and parse", [floor], MAKING)
    text = sum(_text_bytes(each) for each in files[::20]) * 20
    share = 100 * database.stat().st_size / text
    yield Figure("Its size", "% of the text", [share], "all of it", [100], SIZE)
    looks = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        assert not list(indexer.look())
        looks.append(1000 * (time.perf_counter() - began))
    yield Figure("A look for changes, each second", "ms", looks, "itself", looks, LOOK)
    indexer.close()
    reader = IndexReader(database, root)
    queries = [whole[:end] for whole in TYPED for end in range(2, len(whole) + 1)]
    nothing = [_ms(reader, "nothing_of_this") for _ in queries]
    found = [_ms(reader, query) for query in queries]
    yield Figure("A query as one types, CPU time", "ms", found, "no such word", nothing, TYPING)


def _seconds_to_parse(files: list[Path]) -> float:
    began = time.perf_counter()
    for path in files:
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)
    return time.perf_counter() - began


def _text_bytes(path: Path) -> int:
    """Of the texts in a file that are indexed."""
    lines = FilePass(path, Facts()).texts(path.stat().st_size)
    return sum(len(each.text.encode("utf-8", "replace")) for texts in lines for each in texts)


def _ms(reader: IndexReader, words: str) -> float:
    """From the words to the excerpts of all results, of a processor: others use it as well."""
    began = time.process_time()
    found = reader.find(Query(words=words))
    for session in found.sessions:
        for place in session.places:
            excerpt_of(place, found.phrases)
    return 1000 * (time.process_time() - began)

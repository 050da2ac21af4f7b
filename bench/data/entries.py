"""The entries of one generated session: ids, times and usage, in the format of Claude's CLI."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from bench.data.words import NOUNS, TASKS, prose, quoted

VERSION = "2.1.330"
NEWEST = datetime(2026, 11, 20, 18, tzinfo=UTC)
"""The last session ended not long before."""
DAYS = 730
"""The time that the sessions are spread over, most of them in its end."""
MODELS = ("claude-opus-5-5", "claude-opus-5-5", "claude-sonnet-5", "claude-haiku-5")


class Entries:
    """The entries of one session and of its subagents, each a line; they follow one another."""

    def __init__(self, folder: Path, cwd: Path, chance: random.Random) -> None:
        self._chance = chance
        self.id = new_uuid(chance)
        self._file = folder / f"{self.id}.jsonl"
        self._beside = self._file.with_suffix("") / "subagents"
        self._lines: list[str] = []
        self._agents: dict[str, list[str]] = {}
        self._meta: dict[str, str] = {}
        self._files = tuple(
            f"{quoted(str(cwd))}/src/{chance.choice(NOUNS)}_{at}.py" for at in range(5)
        )
        self._cwd = quoted(str(cwd))
        self._model = chance.choice(MODELS)
        ticket = chance.randrange(100, 9000)
        task = chance.choice(TASKS)
        self._task = f"{task} (#{ticket})"
        self._branch = chance.choice(
            ("main", "main", "develop", f"fix/{ticket}-{task.split()[0]}", f"feature/{ticket}")
        )
        self._is_terminal = chance.random() < 0.6
        entry = "cli" if self._is_terminal else "sdk-cli"
        self._place = (
            f'"userType":"external","entrypoint":"{entry}","cwd":"{self._cwd}",'
            f'"sessionId":"{self.id}","version":"{VERSION}","gitBranch":"{self._branch}"'
        )
        age = timedelta(days=DAYS * chance.random() ** 2, seconds=chance.randrange(86_400))
        self._time = (NEWEST - age).timestamp()
        self._started = self._time
        self._parent = ""
        """The uuid of the entry that the next one continues."""
        self._agent = ""
        """The id of the subagent that is writing, if one is."""
        self._prompt = self._message = ""
        """The ids of the turn and of the request that are under way."""
        self._usage = ""
        self._context = 14_000
        self._turns: list[tuple[str, str]] = []
        """The prompt and the last entry of the turns, for a rewind."""
        self._name = ""
        """The line with the title."""
        self._asked = ""
        """The entry of the newest prompt."""
        self._last_words = ""
        self._end = 0

    def _attachment(self, kind: str) -> None:
        words = self._chance.choice(prose())
        self._entry(
            f'"attachment":{{"type":"{kind}","content":"{words}"}},"type":"attachment"',
            '"renderedRole":"system",',
        )

    def _user(self, content: str, more: str = "") -> None:
        self._message = ""
        self._entry(
            f'"promptId":"{self._prompt}","type":"user",'
            f'"message":{{"role":"user","content":{content}}}',
            more,
        )

    def _assistant(self, content: str, stop: str = "end_turn") -> None:
        """One block of an answer; the blocks of a request share its id and its usage."""
        if not self._message:
            self._message = f"msg_{self._chance.getrandbits(96):024x}"
            self._context += (grown := self._chance.randrange(200, 1600))
            written = self._chance.randrange(20, 900)
            self._usage = (
                f'{{"input_tokens":{self._chance.randrange(3, 60)},'
                f'"cache_creation_input_tokens":{grown},'
                f'"cache_read_input_tokens":{self._context},"output_tokens":{written},'
                '"server_tool_use":{"web_search_requests":0,"web_fetch_requests":0},'
                '"service_tier":"standard","cache_creation":{"ephemeral_1h_input_tokens":0,'
                f'"ephemeral_5m_input_tokens":{grown}}},"speed":"standard"}}'
            )
        self._entry(
            f'"message":{{"id":"{self._message}","type":"message","role":"assistant",'
            f'"model":"{self._model}","content":[{content}],"stop_reason":"{stop}",'
            f'"stop_sequence":null,"usage":{self._usage}}},"requestedModel":"{self._model}",'
            '"type":"assistant"',
            '"effort":"medium","madeBy":"model",',
        )

    def _entry(self, data: str, more: str = "") -> None:
        uuid = new_uuid(self._chance)
        parent = f'"{self._parent}"' if self._parent else "null"
        side = f'"isSidechain":true,"agentId":"{self._agent}"' if self._agent else _MAIN
        self._add(
            f'{{"parentUuid":{parent},{side},{data},"uuid":"{uuid}",'
            f'"timestamp":"{self._stamp()}",{more}{self._place}}}'
        )
        self._parent = uuid

    def _stamp(self) -> str:
        self._time += self._chance.random() * 20
        second = int(self._time)
        thousandth = int((self._time - second) * 1000)
        return f"{_minute(second // 60)}:{second % 60:02}.{thousandth:03}Z"

    def _add(self, line: str) -> None:
        lines = self._agents[self._agent] if self._agent else self._lines
        lines.append(f"{line}\n")


_MAIN = '"isSidechain":false'


@lru_cache
def _minute(number: int) -> str:
    """The time so many minutes after the epoch, as the beginning of a time stamp."""
    return datetime.fromtimestamp(number * 60, UTC).strftime("%Y-%m-%dT%H:%M")


def new_uuid(chance: random.Random) -> str:
    bits = f"{chance.getrandbits(128):032x}"
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-8{bits[17:20]}-{bits[20:]}"

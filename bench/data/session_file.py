"""One generated session: its lines, in the format of Claude's CLI, and the files beside it.

Depends on the format, not on the app.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from bench.data.entries import Entries, new_uuid
from bench.data.words import NOUNS, TASKS, answers, code, foreign, prose

LARGE_EVERY = 40
"""One session in so many has a line of about LARGE characters, which its details repeat."""
LARGE = 300_000
SUBAGENT_LINES = 6
CLOSING_LINES = 3


class SessionFile(Entries):
    """One session file and the files beside it, line by line."""

    # --- the whole ------------------------------------------------------------------------

    def fill(self, lines: int, *, is_large: bool) -> None:
        """Write so many lines into memory."""
        self._end = lines - CLOSING_LINES
        for kind in ("environment", "model", "skill_listing", "date"):
            self._attachment(kind)
        steps = self._steps()
        while (room := self._end - len(self._lines)) > 0:
            if room < 8:
                self._text()
                continue
            if is_large and len(self._lines) > lines // 2:
                is_large = False
                self._large()
                continue
            next(steps)()
        if self._name:  # the CLI repeats it at the end, where it is searched
            self._add(self._name)
        else:
            self._text()
        self._last_prompt(self._parent)
        self._cost()

    def _steps(self) -> Iterator[Callable[[], None]]:
        """What happens in a session, without end."""
        tools = (self._grep, self._read, self._read, self._edit, self._edit, self._bash)
        turn = 0
        while True:
            turn += 1
            yield self._prompted
            if turn == 1 and self._chance.random() < 0.7:
                yield self._named
            yield self._think
            for _ in range(self._chance.randrange(2, 9)):
                if self._chance.random() < 0.4:
                    yield self._text
                yield self._chance.choice(tools)
            if self._chance.random() < 0.06:
                yield self._subagent
            if self._chance.random() < 0.1:
                yield self._todos
            yield self._text
            self._turns.append((self._asked, self._parent))
            if len(self._turns) > 2 and self._chance.random() < 0.07:
                yield self._rewind
            if turn % 9 == 8 and self._chance.random() < 0.4:
                yield self._compact

    def write(self) -> int:
        """Put the lines into their files; return how many there are."""
        self._file.write_text("".join(self._lines), encoding="utf-8")
        count = len(self._lines)
        if self._agents:
            self._beside.mkdir(parents=True, exist_ok=True)
        for agent, lines in self._agents.items():
            path = self._beside / f"agent-{agent}.jsonl"
            path.write_text("".join(lines), encoding="utf-8")
            os.utime(path, (self._time, self._time))
            path.with_suffix(".meta.json").write_text(self._meta[agent], encoding="utf-8")
            count += len(lines)
        os.utime(self._file, (self._time, self._time))
        return count

    # --- the parts of a turn ----------------------------------------------------------------

    def _prompted(self) -> None:
        words = self._chance.choice(prose())
        if self._chance.random() < 0.1:
            words = f"{self._chance.choice(foreign())} {words}"
        if not self._last_words:
            words = f"Please {self._task} in {self._cwd.rpartition('/')[2]}. {words}"
        self._last_words = words[:200].rstrip("\\")
        if not self._is_terminal:
            queue = f'"timestamp":"{self._stamp()}","sessionId":"{self.id}"'
            self._add(
                f'{{"type":"queue-operation","operation":"enqueue",{queue},"content":"{words}"}}'
            )
            self._add(f'{{"type":"queue-operation","operation":"dequeue",{queue}}}')
        self._prompt = new_uuid(self._chance)
        source = '"promptSource":"typed"' if self._is_terminal else '"promptSource":"sdk"'
        self._user(f'"{words}"', f'"permissionMode":"default",{source},')
        self._asked = self._parent

    def _think(self) -> None:
        text, signature = self._chance.choice(prose()), f"{self._chance.getrandbits(640):0160x}"
        self._assistant(f'{{"type":"thinking","thinking":"{text}","signature":"{signature}"}}')

    def _text(self) -> None:
        text = self._chance.choice(answers())
        if self._chance.random() < 0.05:
            text = f"{self._chance.choice(foreign())} {text}"
        self._assistant(f'{{"type":"text","text":"{text}"}}')

    def _tool(self, name: str, tool_input: str, output: str, details: str = "") -> None:
        use = f"toolu_{self._chance.getrandbits(96):024x}"
        self._assistant(
            f'{{"type":"tool_use","id":"{use}","name":"{name}","input":{tool_input}}}', "tool_use"
        )
        failed = "true" if self._chance.random() < 0.05 else "false"
        self._user(
            f'[{{"tool_use_id":"{use}","type":"tool_result","content":{output},'
            f'"is_error":{failed}}}]',
            f'"toolUseResult":{details},' if details else "",
        )
        self._message = ""  # what follows is another request's

    def _grep(self) -> None:
        noun = self._chance.choice(NOUNS)
        names = "\\n".join(self._files)
        self._tool("Grep", f'{{"pattern":"def {noun}","path":"{self._cwd}"}}', f'"{names}"')

    def _read(self) -> None:
        path, rows = self._chance.choice(self._files), self._chance.choice(code())
        numbered = "\\n".join(f"{at}\\t{row}" for at, row in enumerate(rows, 120))
        self._tool("Read", f'{{"file_path":"{path}","offset":120}}', f'"{numbered}"')

    def _edit(self) -> None:
        path, rows = self._chance.choice(self._files), self._chance.choice(code())[:6]
        old, new = "\\n".join(rows[:3]), "\\n".join(rows[3:])
        patch = ",".join([*(f'"-{row}"' for row in rows[:3]), *(f'"+{row}"' for row in rows[3:])])
        self._tool(
            "Edit",
            f'{{"file_path":"{path}","old_string":"{old}","new_string":"{new}"}}',
            f'"The file {path} has been updated successfully."',
            f'{{"filePath":"{path}","oldString":"{old}","newString":"{new}","structuredPatch":'
            f'[{{"oldStart":12,"oldLines":3,"newStart":12,"newLines":3,"lines":[{patch}]}}],'
            '"userModified":false,"replaceAll":false}',
        )

    def _bash(self, output: str = "") -> None:
        noun = self._chance.choice(NOUNS)
        output = output or "\\n".join(self._chance.choice(code()))
        command = f"python -m pytest tests/test_{noun}.py -q"
        self._tool(
            "Bash",
            f'{{"command":"{command}","description":"Run the tests of {noun}"}}',
            f'"{output}"',
            f'{{"stdout":"{output}","stderr":"","interrupted":false,"isImage":false}}',
        )

    def _large(self) -> None:
        """The output of a command that has printed a log."""
        parts = ("\\n".join(self._chance.choice(code())) for _ in range(LARGE // 600))
        self._bash("\\n".join(parts))

    def _todos(self) -> None:
        states = ("completed", "in_progress", "pending")
        todos = ",".join(
            f'{{"content":"{task}","status":"{state}","activeForm":"{task}"}}'
            for task, state in zip(self._chance.sample(TASKS, 3), states, strict=True)
        )
        self._tool("TodoWrite", f'{{"todos":[{todos}]}}', '"Todos have been modified."')

    def _subagent(self) -> None:
        """A call of Task, and the file of the agent that it starts."""
        use = f"toolu_{self._chance.getrandbits(96):024x}"
        agent, prompt = f"a{self._chance.getrandbits(64):016x}", self._chance.choice(prose())
        about = f'"description":"Look for {self._chance.choice(NOUNS)}"'
        self._assistant(
            f'{{"type":"tool_use","id":"{use}","name":"Task","input":{{{about},'
            f'"prompt":"{prompt}","subagent_type":"general-purpose","run_in_background":false}}}}',
            "tool_use",
        )
        parent, self._parent, self._agent, self._message = self._parent, "", agent, ""
        self._agents[agent] = []
        self._meta[agent] = (
            f'{{"agentType":"general-purpose","isBuiltIn":true,{about},"toolUseId":"{use}",'
            f'"spawnDepth":1,"model":"{self._model}","finished":true}}'
        )
        self._user(f'"{prompt}"')
        while len(self._agents[agent]) < SUBAGENT_LINES - 1:
            self._chance.choice((self._grep, self._read, self._bash))()
        self._text()
        self._parent, self._agent, self._message = parent, "", ""
        report = self._chance.choice(prose())
        self._user(
            f'[{{"tool_use_id":"{use}","type":"tool_result","content":'
            f'[{{"type":"text","text":"{report}"}}]}}]',
            f'"toolUseResult":{{"status":"completed","prompt":"{prompt}","agentId":"{agent}",'
            f'"agentType":"general-purpose","content":[{{"type":"text","text":"{report}"}}],'
            '"totalDurationMs":3000,"totalTokens":8769,"totalToolUseCount":2},',
        )

    # --- what happens beside the turns ------------------------------------------------------

    def _named(self) -> None:
        """A title by Claude, or, less often, by the person."""
        name = f"{self._task[0].upper()}{self._task[1:]}"
        field = "ai-title", "aiTitle"
        if self._chance.random() < 0.25:
            field, name = ("custom-title", "customTitle"), f"My own: {name}"
        self._name = f'{{"type":"{field[0]}","{field[1]}":"{name}","sessionId":"{self.id}"}}'
        self._add(self._name)

    def _rewind(self) -> None:
        """The newest turn is cut: the next prompt continues an older entry."""
        (cut, _), (_, leaf) = self._turns.pop(), self._turns[-1]
        if self._chance.random() < 0.5:  # older versions leave no line about it
            self._last_prompt(leaf, f'"explicit":true,"rewound":true,"cutUuid":"{cut}",')
        self._parent = leaf

    def _compact(self) -> None:
        boundary, kept = new_uuid(self._chance), self._parent
        summary = "\\n\\n".join(self._chance.sample(prose(), 5))
        self._add(
            f'{{"parentUuid":null,"logicalParentUuid":"{kept}","isSidechain":false,'
            '"type":"system","subtype":"compact_boundary","content":"Conversation compacted",'
            f'"isMeta":false,"timestamp":"{self._stamp()}","uuid":"{boundary}","level":"info",'
            f'"compactMetadata":{{"trigger":"auto","preTokens":{self._context},"postTokens":2695}},'
            f"{self._place}}}"
        )
        self._context, self._parent = 14_000, boundary
        self._turns.clear()
        self._user(
            f'"This session is being continued from a previous conversation.\\n\\n{summary}"',
            '"isVisibleInTranscriptOnly":true,"isCompactSummary":true,',
        )

    def _last_prompt(self, leaf: str, more: str = "") -> None:
        self._add(
            f'{{"type":"last-prompt","lastPrompt":"{self._last_words}","leafUuid":"{leaf}",'
            f'{more}"sessionId":"{self.id}"}}'
        )

    def _cost(self) -> None:
        tokens = f'"inputTokens":{self._context},"outputTokens":{self._context // 9}'
        spent = f'"costUSD":{self._context / 90_000:.4f}'
        self._add(
            f'{{"type":"cost-state","sessionId":"{self.id}",'
            f'"totalCostUSD":{self._context / 90_000:.4f},'
            f'"totalDuration":{int(self._time - self._started) * 1000},'
            f'"startTime":{int(self._started * 1000)},'
            f'"modelUsage":{{"{self._model}":{{{tokens},{spent}}}}},"hasUnknownModelCost":false}}'
        )

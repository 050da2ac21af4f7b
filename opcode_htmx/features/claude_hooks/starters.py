"""Hooks to start from: common wishes, each with a hook that fulfils it."""

from __future__ import annotations

from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Starter:
    """A hook to start from. `needs` is a program that it uses, if it is not on every computer."""

    name: str
    title: str
    about: str
    event: str
    matcher: str
    config: Json
    needs: str = ""


def _command(text: str, timeout: int = 0, **more: object) -> Json:
    return {"type": "command", "command": text, **({"timeout": timeout} if timeout else {}), **more}


_FORMAT = """\
file=$(jq -r '.tool_input.file_path // empty')
case "$file" in
  *.py) ruff format --quiet "$file" ;;
  *.js|*.jsx|*.ts|*.tsx|*.css|*.html|*.json|*.md) npx --no-install prettier --write "$file" ;;
  *.go) gofmt -w "$file" ;;
  *.rs) rustfmt "$file" ;;
esac"""
_LOG = """\
jq -r '[(now | todate), .cwd, .tool_input.command] | @tsv' >> "$HOME/claude-commands.log\""""
_KEEP_INSIDE = """\
command=$(jq -r '.tool_input.command // empty')
if printf '%s' "$command" | grep -Eq '(^|[^a-z])rm +(-[a-zA-Z-]+ +)*-[a-zA-Z-]*[rR]' &&
   printf '%s' "$command" | grep -Eq '[[:space:]]["'"'"']?(/|~|\\$|\\.\\.)'; then
  echo 'Deleting folders outside the project is not allowed. Use paths inside it.' >&2
  exit 2
fi"""
_PROTECT = """\
file=$(jq -r '.tool_input.file_path // empty')
case "$file" in
  */.env|*/.env.*|*/.git/*|*.lock|*/package-lock.json)
    echo "$file is protected: ask before changing it." >&2
    exit 2 ;;
esac"""
_NTFY = """\
jq -r '.message // "Claude is waiting"' |
  curl -s -m 10 -H "Title: Claude in ${CLAUDE_PROJECT_DIR##*/}" --data-binary @- \\
    https://ntfy.sh/CHANGE-THIS-TOPIC"""
_TESTS = """\
input=$(cat)
# once: what fails again is left to you
[ "$(printf '%s' "$input" | jq -r '.stop_hook_active')" = true ] && exit 0
cd "$CLAUDE_PROJECT_DIR" || exit 0
[ -n "$(git status --porcelain 2>/dev/null)" ] || exit 0
if ! output=$(make test 2>&1); then
  printf 'The tests fail:\\n%s\\n' "$(printf '%s' "$output" | tail -n 40)" >&2
  exit 2
fi"""
_STATUS = """\
cd "$CLAUDE_PROJECT_DIR" || exit 0
echo "Today is $(date '+%A, %d %B %Y')."
git status --short --branch 2>/dev/null | head -n 30"""
_MAIN = """\
branch=$(git -C "$CLAUDE_PROJECT_DIR" branch --show-current 2>/dev/null)
case "$branch" in
  main|master)
    echo "This is the branch $branch. Make a branch for the change first." >&2
    exit 2 ;;
esac"""
_SNAPSHOT = """\
cd "$CLAUDE_PROJECT_DIR" || exit 0
commit=$(git stash create "before a prompt") && [ -n "$commit" ] &&
  git update-ref "refs/claude/$(date +%Y%m%d-%H%M%S)" "$commit"
exit 0"""

STARTERS = {
    each.name: each
    for each in (
        Starter(
            "format",
            "Format a file after an edit",
            "With the formatter of its language, where it is installed",
            "PostToolUse",
            "Edit|Write",
            _command(_FORMAT, 60),
            "jq",
        ),
        Starter(
            "tests",
            "Run the tests when Claude is done",
            "With make test; Claude sees what fails and mends it, once",
            "Stop",
            "",
            _command(_TESTS, 600, statusMessage="Running the tests"),
            "jq",
        ),
        Starter(
            "log",
            "Log every command",
            "Time, folder and command, in ~/claude-commands.log",
            "PreToolUse",
            "Bash",
            _command(_LOG, 10),
            "jq",
        ),
        Starter(
            "keep-inside",
            "Block rm -rf outside the project",
            "Refuses to delete folders by an absolute path, ~, .. or a variable",
            "PreToolUse",
            "Bash",
            _command(_KEEP_INSIDE, 10),
            "jq",
        ),
        Starter(
            "protect",
            "Protect files",
            "Refuses edits of .env, lock files and what is in .git",
            "PreToolUse",
            "Edit|Write",
            _command(_PROTECT, 10),
            "jq",
        ),
        Starter(
            "branch",
            "No edits on main",
            "Refuses edits until there is a branch for them",
            "PreToolUse",
            "Edit|Write",
            _command(_MAIN, 10),
        ),
        Starter(
            "snapshot",
            "Keep the files as they were before each prompt",
            "As a commit under refs/claude, outside of all branches",
            "UserPromptSubmit",
            "",
            _command(_SNAPSHOT, 30),
        ),
        Starter(
            "context",
            "Begin with the date and the state of git",
            "Claude gets both when a session starts",
            "SessionStart",
            "",
            _command(_STATUS, 10),
        ),
        Starter(
            "ntfy",
            "Notify by ntfy",
            "Claude's notifications go to a topic of yours: who knows its name reads them",
            "Notification",
            "",
            _command(_NTFY, 15, **{"async": True}),
            "jq",
        ),
        Starter(
            "webhook",
            "Send the end of each turn to an address",
            "By POST, to a program of yours",
            "Stop",
            "",
            {"type": "http", "url": "http://127.0.0.1:8765/claude", "timeout": 10},
        ),
        Starter(
            "review",
            "Ask a small model whether the work is done",
            "It reads Claude's last message; if it says no, Claude goes on",
            "Stop",
            "",
            {
                "type": "prompt",
                "prompt": "Here is what Claude Code is about to end its turn with: $ARGUMENTS\n"
                "If stop_hook_active is true, say yes. Otherwise say no, with the reason, if it "
                "names something that it was asked for and has not done.",
                "timeout": 30,
            },
        ),
    )
}

"""What a person should read twice in a hook's command before it runs by itself. Pure.

Each pattern is bounded, so that no text makes a search long. They find what is written plainly, and
keep nothing from running.
"""

from __future__ import annotations

from collections.abc import Iterator

from opcode_htmx.lib.late.patterns import late_pattern

LONGEST = 20_000
"""Characters of a command that are looked at, and may be saved."""

_START = r"(?:^|[\s;&|(`{])"
_END = r"""(?=["'\s;&|)]|$)"""
_HOME = r"(?:~|\$HOME|\$\{HOME\})"
_SYSTEM = r"/(?:home|etc|usr|var|root|bin|sbin|lib|boot|dev|opt|Users|System|Library)"
_PLACES = rf"(?:/|/\*|{_HOME}/?\*?|{_SYSTEM}/?\*?|\.\.?/?|\*|\.\*)"
_REMOVE = rf"{_START}rm(?:\s{{1,9}}-{{1,2}}[\w-]{{1,30}}){{0,6}}\s{{1,9}}-{{1,2}}[\w-]{{0,20}}[rR]"
_REST = r"[^;&|\n]{0,80}"
_TO = (
    rf"(?:>{{1,2}}|\btee(?:\s{{1,9}}-a)?|\bcp\b{_REST}|\bmv\b{_REST}|\bsed\s{{1,9}}-i{_REST})"
    r"\s{0,9}[\"']?"
)
_INTERPRETER = (
    r"(?:sudo\s{1,9})?(?:env\s{1,9})?(?:/[\w/.-]{0,60}/)?"
    r"(?:(?:ba|z|da|k|fi)?sh\b|python|perl\b|ruby\b|node\b)"
)
_LOCAL = r"(?!https?://(?:localhost|127\.0\.0\.1|\[::1\])[:/])"

PATTERNS = {
    late_pattern(pattern): sentence
    for pattern, sentence in (
        (
            rf"{_REMOVE}[^;&|\n]{{0,200}}\s[\"']?{_PLACES}{_END}",
            "It deletes a whole folder: the root, your home, a system folder or all that is here.",
        ),
        (
            rf"{_REMOVE}[^;&|\n]{{0,200}}\s[\"']?\$",
            "It deletes the folder that a variable names: if it is empty, that is another folder.",
        ),
        (
            rf"\b(?:curl|wget)\b[^\n;&]{{0,100}}\|\s{{0,9}}(?:{_INTERPRETER})",
            "It runs what it downloads.",
        ),
        (
            rf"(?:{_INTERPRETER})[\d.]{{0,5}}\s{{1,9}}(?:-c\s{{1,9}})?[\"']?(?:<\(|\$\()\s{{0,9}}(?:curl|wget)\b",
            "It runs what it downloads.",
        ),
        (
            rf"\bbase64\s{{1,9}}(?:-d|-D|--decode)\b[^\n;&]{{0,200}}\|\s{{0,9}}(?:{_INTERPRETER})",
            "It runs a command that is hidden in base64.",
        ),
        (
            rf"{_START}(?:sudo|doas|su)\s",
            "It asks for an administrator's rights. A hook has nobody who types the password.",
        ),
        (
            rf"{_TO}(?:{_HOME}|/root|/home/[\w.-]{{1,60}})/\.ssh\b|authorized_keys",
            "It writes to ~/.ssh: that decides who may log in here, and where you are logged in.",
        ),
        (
            rf"{_TO}(?:{_HOME}|/root|/home/[\w.-]{{1,60}})/\.(?:bash|zsh|profile|zprofile|zlogin|config/fish)",
            "It changes what your shell runs at its start.",
        ),
        (
            rf"{_TO}[^\s\"']{{0,200}}\.claude/settings|{_TO}[^\s\"']{{0,200}}CLAUDE_CONFIG_DIR",
            "It changes Claude's own settings.",
        ),
        (rf"{_TO}/(?:etc|usr|boot|bin|sbin|lib)/", "It writes to a system folder."),
        (
            rf"{_START}(?:(?:crontab|systemctl|launchctl)\s|at\s{{1,9}}(?:-|now\b|\d|noon\b|tomorrow\b))",
            "It sets up something that runs later, or stops a service.",
        ),
        (
            rf"{_START}(?:mkfs[\w.]{{0,10}}|fdisk|wipefs)\s|\bof=/dev/(?!null|zero)|>\s{{0,9}}/dev/(?:sd|nvme|disk|hd|vd)",
            "It overwrites a disk.",
        ),
        (
            rf"{_START}ch(?:mod|own)\s{{1,9}}-R\b|{_START}chmod\s{{1,9}}(?:-\w{{1,9}}\s{{1,9}})?0?777\b",
            "It changes the permissions of many files, or opens them to everyone.",
        ),
        (
            r":\s{0,9}\(\s{0,9}\)\s{0,9}\{[^}\n]{0,40}:\s{0,9}\|\s{0,9}:",
            "It starts processes without end.",
        ),
        (
            rf"{_START}(?:killall|pkill|shutdown|reboot|halt|poweroff)\b|{_START}kill\s{{1,9}}-\w{{1,9}}\s{{1,9}}-1\b",
            "It ends other programs, or the computer.",
        ),
        (
            r"/dev/(?:tcp|udp)/|\b(?:nc|ncat|netcat)\b[^\n;|]{0,100}\s-\w{0,9}[elc]",
            "It opens a connection through which somebody else could give commands.",
        ),
        (
            rf"{_START}eval\s|\b(?:ba|z|da)?sh\s{{1,9}}-c\s{{1,9}}[\"']?\$",
            "It runs a text that is put together at that time. If Claude wrote it, Claude runs it.",
        ),
        (
            r"\bgit\b[^\n;&|]{0,100}\s(?:push\b[^\n;&|]{0,100}\s(?:-f\b|--force\b)|reset\s{1,9}--hard|clean\s{1,9}-\w{0,9}f|checkout\s{1,9}(?:--\s{1,9})?\.(?:\s|$))",
            "It throws away work in git without asking.",
        ),
        (
            rf"\b(?:curl|wget)\b[^\n;|]{{0,100}}\s(?:-d|-F|-T|--data[\w-]{{0,20}}|--form|--upload-file|--post-(?:data|file))[^\n;|]{{0,100}}{_LOCAL}\bhttps?://|"
            rf"\b(?:curl|wget)\b[^\n;|]{{0,100}}{_LOCAL}\bhttps?://[^\n;|]{{0,100}}\s(?:-d|-F|-T|--data|--form|--upload-file)",
            "It sends something to another computer.",
        ),
        (
            r"\bid_(?:rsa|ed25519|ecdsa)\b|\.aws/credentials|\.netrc\b|\.credentials\.json|/etc/shadow|"
            r"\$\{?(?:ANTHROPIC_API_KEY|ANTHROPIC_AUTH_TOKEN|GITHUB_TOKEN|AWS_SECRET_ACCESS_KEY)\b",
            "It reads a password or a key.",
        ),
    )
}
ENDLESS = (
    "It can keep Claude from ever ending its turn: let it pass where stop_hook_active is true."
)
_BLOCKS = late_pattern(r"\bexit\s{1,9}2\b|\"decision\"\s{0,9}:\s{0,9}\"block\"")


def dangers_of(command: str, event: str = "") -> Iterator[str]:
    """What is dangerous in a command that runs at an event, each as a sentence."""
    command = command[:LONGEST].replace("\\\n", " ")  # a line that goes on
    said = set()
    for pattern, sentence in PATTERNS.items():
        if sentence not in said and pattern.search(command):
            said.add(sentence)
            yield sentence
    is_end = event in ("Stop", "SubagentStop")
    if is_end and _BLOCKS.search(command) and "stop_hook_active" not in command:
        yield ENDLESS

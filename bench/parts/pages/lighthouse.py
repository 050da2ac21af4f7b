"""Lighthouse scores of Home with 200 projects, and of a session page with 50 blocks.

Under Lighthouse's own throttling of a phone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.data import many_sessions
from bench.figures import Figure, Target
from bench.floors.bare_page import bare
from bench.parts.pages.page import Address, file_server, session_page
from bench.server import running_server
from scripts import chromium
from tests.support.environment import ROOT, Sandbox, write_stand_in
from tests.support.server import Server

PACKAGE = "lighthouse@12.8.2"
FOLDER = ROOT / ".cache" / "lighthouse"
PROGRAM = FOLDER / "node_modules" / "lighthouse" / "cli" / "index.js"
CATEGORIES = {
    "performance": "Performance",
    "accessibility": "Accessibility",
    "best-practices": "Best practices",
}
RUNS = 3
PROJECTS, SESSIONS, LINES = 200, 5, 40
LEAST = Target("least", 95)
CHROME = (
    "--headless --no-sandbox --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
)


def measure() -> list[Figure]:
    """Scores of 100."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        node = _node()
        claude = write_stand_in(home / "claude")
        with running_server(Sandbox(home / "session").make(), claude) as app:
            page, text = session_page(app)
            bare_file = home / "bare.html"
            bare_file.write_text(bare(text), encoding="utf-8")
            with file_server(bare_file) as floor:
                floor_scores = scores(node, floor, home)
            of_session = [scores(node, page, home) for _ in range(RUNS)]
        sandbox = Sandbox(home / "home").make()
        many_sessions.generate(
            sandbox.config_dir, projects=PROJECTS, sessions=SESSIONS, lines=LINES
        )
        with running_server(sandbox, claude) as app:
            of_home = [scores(node, _home_page(app), home) for _ in range(RUNS)]
    session = _figures("A session", of_session, floor_scores)
    return [*_figures(f"Home with {PROJECTS} projects", of_home, floor_scores), *session]


def _home_page(server: Server) -> Address:
    answer = server.get("/")
    assert answer.ok, answer.status_code
    return Address(answer.url, {cookie.name: cookie.value or "" for cookie in answer.cookies})


def _figures(
    page: str, runs: list[Mapping[str, float]], floor_scores: Mapping[str, float]
) -> Iterator[Figure]:
    for category, name in CATEGORIES.items():
        ours = [run[category] for run in runs]
        what = f"{page}: {name.lower()}"
        yield Figure(what, "", ours, "bare page", [floor_scores[category]], LEAST)


def scores(node: str, address: Address, home: Path) -> Mapping[str, float]:
    """Lighthouse's score of each category for one load of `address`."""
    headers, report = home / "headers.json", home / "report.json"
    cookie = "; ".join(f"{name}={value}" for name, value in address.cookies.items())
    headers.write_text(json.dumps({"Cookie": cookie} if cookie else {}), encoding="utf-8")
    command = [node, str(PROGRAM), address.url, "--quiet", "--output=json"]
    command += [f"--output-path={report}", f"--extra-headers={headers}"]
    command += [f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags={CHROME}"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    environment["CHROME_PATH"] = str(chromium.find())
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=180)
    categories = json.loads(report.read_bytes())["categories"]
    return {name: categories[name]["score"] * 100 for name in CATEGORIES}


def _node() -> str:
    """Node.js, with Lighthouse installed. Raises with a sentence where Node.js is missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node and npm, "Lighthouse needs Node.js and npm: install them."
    if not PROGRAM.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        options = ["--prefix", str(FOLDER), "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([npm, "install", *options, PACKAGE], check=True, capture_output=True)
    return node

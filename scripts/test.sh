#!/bin/sh
# All tests, and mypy beside them, which then costs little time: tests mostly wait. What mypy finds
# comes after the last line of pytest. The arguments are pytest's.
set -u
cd "$(dirname "$0")/.."

found=$(mktemp)
.venv/bin/python -m mypy >"$found" 2>&1 &
mypy=$!
trap 'rm -f "$found"' EXIT
trap 'kill "$mypy" 2>/dev/null; exit 130' INT TERM

# Of the modules that pytest prepares, each process prepares its share, which the others read.
PYTHONDONTWRITEBYTECODE='' .venv/bin/python -m pytest "$@"
status=$?

if ! wait "$mypy"; then
    cat "$found"
    status=1
fi
exit "$status"

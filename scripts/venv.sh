#!/bin/sh
# Create the virtual environment .venv, and install the requirements named by the arguments if they
# have changed. Does and prints nothing if everything is up to date.
set -eu
cd "$(dirname "$0")/.."

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        "$candidate" -c "$new_enough" 2>/dev/null || continue
        without_venv=$candidate
        "$candidate" -c 'import ensurepip, venv' 2>/dev/null || continue
        echo "$candidate"
        return
    done
    if [ -n "${without_venv:-}" ]; then
        echo "$without_venv cannot make virtual environments; install its venv module" \
            "(on Debian: apt install python3-venv)." >&2
    else
        echo "Python 3.11 or newer was not found; install it, or name it in PYTHON." >&2
    fi
    return 1
}

if ! .venv/bin/python -c "import pip; $new_enough" 2>/dev/null || [ ! -e .venv/.made ]; then
    python=$(find_python)
    echo "Making the virtual environment .venv."
    "$python" -m venv --clear .venv
    touch .venv/.made
fi

for requirements in "$@"; do
    # The copy of the requirements that were installed last.
    stamp=.venv/.installed-$requirements
    if ! cmp -s "$requirements" "$stamp"; then
        .venv/bin/python scripts/download.py "$requirements"
        # The first start would take a second longer.
        .venv/bin/python -m compileall -q -j 0 app.py opcode_htmx || true
        cp "$requirements" "$stamp"
    fi
done

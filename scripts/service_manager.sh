#!/bin/sh
# Check that this user has a service manager, before anything is fetched for a service. Prints
# nothing if so. The sentences are those of opcode_htmx/app/service/.
set -eu

if [ "$(uname -s)" = Darwin ]; then
    exit 0
fi
if ! command -v systemctl > /dev/null; then
    echo "A service needs systemd or launchd, and this machine has neither." >&2
    exit 1
fi
if ! systemctl --user show --property=Version > /dev/null 2>&1; then
    echo "The systemd of this user does not run. Log in to this machine as that user (not by" \
        "su or sudo), or run \`loginctl enable-linger\` as that user, and" \
        "\`export XDG_RUNTIME_DIR=/run/user/\$(id -u)\`. Where none runs, as in a container," \
        "start \`opcode-htmx\` by hand." >&2
    exit 1
fi

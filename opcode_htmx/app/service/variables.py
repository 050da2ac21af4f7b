"""Which variables of a person's shell the service is started with. Pure.

A service manager starts programs with a short environment of its own. The server, and Claude, are
to find what they find when they are started by hand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

_NAMES = frozenset(
    {
        *("PATH", "LANG", "LANGUAGE", "TZ"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
        *("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
        *("all_proxy", "http_proxy", "https_proxy", "no_proxy"),
        *("NODE_EXTRA_CA_CERTS", "SSL_CERT_DIR", "SSL_CERT_FILE"),
        *("AWS_PROFILE", "AWS_REGION", "CLOUD_ML_REGION"),
        *("DISABLE_AUTOUPDATER", "DISABLE_ERROR_REPORTING", "DISABLE_TELEMETRY", "IS_SANDBOX"),
    }
)
_PREFIXES = ("ANTHROPIC_", "CLAUDE_CODE_", "LC_")


def kept(
    environ: Mapping[str, str], child: Mapping[str, str], declared: Collection[str]
) -> dict[str, str]:
    """The variables to keep: settings, and what Claude and its tools go by.

    `environ` is the person's environment, and `child` what of it Claude is given: without what an
    outer Claude or make has set. `declared` are the names of all settings.
    """
    settings = {name for name in environ if name in declared}
    of_claude = {name for name in child if name in _NAMES or name.startswith(_PREFIXES)}
    return {name: environ[name] for name in settings | of_claude if environ[name].strip()}

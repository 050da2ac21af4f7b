"""The password and the key that signs cookies: given, or made at first start and kept.

Knows nothing of HTTP.
"""

import secrets

from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.files.state_dir import StateError, create_once

# Small letters only, so that a phone's keyboard need not be switched within a group; without
# vowels and l there are no accidental words and nothing that looks like something else.
_LETTERS = "bcdfghjkmnpqrstvwxyz"
_GROUPS, _GROUP_LENGTH = 4, 5  # 20 letters of 20: 86 bits
_KEY_BYTES = 32


def password(settings: Settings) -> str:
    """OPCODE_PASSWORD, or the password kept in the state folder, made if there is none.

    Raises StateError when the state folder cannot be used.
    """
    if settings.password is not None:
        return settings.password
    path = settings.state_dir / "password"
    try:
        return create_once(path, _new_password).decode().strip()
    except UnicodeDecodeError:
        raise StateError(f"{path} is not text; delete it and start again.") from None


def kept_password(settings: Settings) -> str:
    """The same if there is one already; else, or if it cannot be read, empty."""
    if settings.password is not None:
        return settings.password
    try:
        return (settings.state_dir / "password").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def secret_key(settings: Settings) -> bytes:
    """The 32 bytes that sign cookies, kept in the state folder, made if there are none.

    Raises StateError when the state folder cannot be used.
    """
    path = settings.state_dir / "secret_key"
    key = create_once(path, lambda: secrets.token_bytes(_KEY_BYTES))
    if len(key) != _KEY_BYTES:
        raise StateError(f"{path} is damaged; delete it and start again.")
    return key


def _new_password() -> bytes:
    groups = (
        "".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)
    )
    return f"{'-'.join(groups)}\n".encode()

"""Derive CSRF tokens and keys from the secret key; independent of requests and files.

A cookie has a random token of its own (see logins.py). Tokens derived here are bound to the id of
a login, so they end with it.
"""

import hashlib
import hmac
from functools import lru_cache

import gevent

_SCRYPT = {"n": 1 << 13, "r": 8, "p": 1, "dklen": 16}
"""20 ms and 8 MB, once per start: slow, because the result is stored."""


class Tokens:
    def __init__(self, secret_key: bytes, user: str, password: str) -> None:
        self._csrf = _derive(secret_key, "csrf")
        self._client = _derive(secret_key, "client")
        # Includes the password, so that the state folder alone is not enough to forge a cookie
        self._basic = _derive(secret_key, "basic", user, password)
        # In a thread, and beside the rest of the start
        pool = gevent.get_hub().threadpool
        self._fingerprint = pool.spawn(_fingerprint, secret_key, user, password)

    @property
    def credentials(self) -> str:
        """The fingerprint of the user and the password that logins are stored with."""
        return str(self._fingerprint.get())

    def csrf_token(self, login_id: str) -> str:
        return _derive(self._csrf, login_id).hex()

    def client(self, address: str, user_agent: str) -> str:
        """A fingerprint of a client that sends HTTP Basic, to find its login again."""
        return _derive(self._client, address, user_agent).hex()

    def basic_token(self, login_id: str) -> str:
        """The cookie's token of a login by HTTP Basic: the same for all its first requests."""
        return _derive(self._basic, login_id).hex()


def equal(given: str, wanted: str) -> bool:
    """Compare in constant time, for any lengths."""
    return hmac.compare_digest(digest(given), digest(wanted))


def digest(text: str) -> str:
    """SHA-256 in hex; enough for a random token, and too fast for a password."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=8)
def _fingerprint(secret_key: bytes, user: str, password: str) -> str:
    text = f"{user}\0{password}".encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=secret_key, **_SCRYPT).hex()


def _derive(key: bytes, *parts: str) -> bytes:
    message = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
    return hmac.new(key, message, hashlib.sha256).digest()

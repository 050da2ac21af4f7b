"""Sign and read login cookies and CSRF tokens; knows keys and session ids, no requests.

The cookie holds a random session id, signed with a key made from the secret key, the user and
the password: it carries no secret, outlives a restart, and dies with the password. The CSRF
token is made from the session id, so it lives as long as the login does.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from itsdangerous import BadData, URLSafeTimedSerializer

COOKIE_AGE = timedelta(days=90)


class Tickets:
    def __init__(self, secret_key: bytes, user: str, password: str) -> None:
        self._key = _derive(secret_key, "access", user, password)
        self._serializer = URLSafeTimedSerializer(
            _derive(self._key, "cookie"), signer_kwargs={"digest_method": hashlib.sha256}
        )

    def cookie(self, session_id: str) -> str:
        return str(self._serializer.dumps(session_id))

    def read(self, cookie: str) -> tuple[str, datetime] | None:
        """The session id in a cookie and when it was signed; None if it does not hold."""
        try:
            session_id, since = self._serializer.loads(
                cookie, max_age=int(COOKIE_AGE.total_seconds()), return_timestamp=True
            )
        except BadData:
            return None
        return str(session_id), since

    def csrf_token(self, session_id: str) -> str:
        return _derive(self._key, "csrf", session_id).hex()

    def new_session_id(self) -> str:
        return secrets.token_hex(16)

    def session_id_of(self, *traits: str) -> str:
        """The same id for the same traits of a client; the id is no secret, its signature is."""
        return _derive(self._key, "basic", *traits).hex()[:32]


def equal(given: str, wanted: str) -> bool:
    """Compare in constant time, whatever the lengths."""
    return hmac.compare_digest(_digest(given), _digest(wanted))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _derive(key: bytes, *parts: str) -> bytes:
    message = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
    return hmac.new(key, message, hashlib.sha256).digest()

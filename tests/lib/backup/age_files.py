"""A backup with a passphrase that opens at once: age itself makes each take seconds of a CPU."""

from __future__ import annotations

import base64

CLOSED = base64.b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBqbSs0MzN2ZFh4ODJ2bU5QNnFtc293IDIKZ2h3NENZOFV0L25Y"
    "K1lTQk9lVHJjK1NmbWVweXp5WFFxL3JZRm9nTzc1OAotLS0gbkZwL0FrSmJCN2FkOEFBaU9pNDNjNFZvOEd5Rmg3YUZt"
    "ZmN5TkhsS0hlSQrgnCMrAtlZD5T/oPpbmOJREqidWAevQKSS7oEx4vH+bnw2zEoDKLMQIO9Xsg=="
)
"""A file of age as it was written with `PASSPHRASE`, in 2 ** 2 rounds instead of 2 ** 20."""
PASSPHRASE = "correct horse"
CONTENT = b"the orchard\n"

"""nginx and Caddy in front of a server of the tests, with the configurations of deploy/."""

from __future__ import annotations

import copy
import os
import pwd
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scripts import debian_programs
from tests.support.environment import PATIENCE, ROOT, SYSTEM_PATH, free_port, missing, until
from tests.support.server import Server
from tests.support.suite.start_guard import guard

NGINX = """
daemon off;
pid nginx.pid;
error_log error.log;
{user}
events {{ }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    include opcode.conf;
}}
"""
CADDY = """
{
	admin off
	skip_install_trust
	auto_https disable_redirects
}
import %s
"""

WALL = ("gardener", "wall-word")
WALL_HASH = "$2b$04$abcdefghijklmnopqrstuuK23.XzFlylY63fQ8mQ4PCEJeCChHnX6"


@contextmanager
def in_front_of(server: Server, kind: str, folder: Path, wall: bool = False) -> Iterator[Server]:
    """The same server, reached through a proxy at https://localhost; `kind` is its command.

    With a `wall` Caddy asks for HTTP Basic first: WALL.
    """
    guard.refuse("a proxy")
    program = debian_programs.find(kind)
    if program is None:
        missing(kind, f"install it (Debian: apt-get install {debian_programs.PACKAGES[kind]}).")
        raise AssertionError
    folder.mkdir()
    port, upstream = free_port(), f"127.0.0.1:{server.port}"
    environment = {"PATH": SYSTEM_PATH, "HOME": str(folder)}
    if kind == "nginx":
        command = [
            program,
            "-p",
            str(folder),
            "-c",
            _nginx(folder, port, upstream, server.base_path),
        ]
        command += ["-e", "error.log"]
    else:
        command = [program, "run", "--adapter", "caddyfile", "--config", _caddy(folder, wall)]
        environment |= {
            "OPCODE_SITE": f"https://localhost:{port}",
            "OPCODE_BASE_PATH": server.base_path,
            "OPCODE_UPSTREAM": upstream,
        }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    front = copy.copy(server)
    front.port, front.url = port, f"https://localhost:{port}{server.base_path}"

    def speaks_tls() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
                untrusting().wrap_socket(plain, server_hostname="localhost").close()
        except OSError:
            return False
        return True

    try:
        until(speaks_tls, f"{kind} answers")
        yield front
    finally:
        process.terminate()
        process.wait(PATIENCE)


def untrusting() -> ssl.SSLContext:
    """Takes the certificates of these proxies, which nobody has signed."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _caddy(folder: Path, wall: bool) -> str:
    text = (ROOT / "deploy/caddy/Caddyfile").read_text()
    if wall:
        text, times = re.subn(r"# ((?:basicauth|header_up) .*)", r"\1", text)
        assert times == 2, "deploy/caddy/Caddyfile has no wall"
        text = re.sub(r"# \tsomebody .*\n(\t*)# \}", rf"{WALL[0]} {WALL_HASH}\n\1}}", text)
    (folder / "opcode").write_text(text)
    path = folder / "Caddyfile"
    path.write_text(CADDY % (folder / "opcode"))
    return str(path)


def _nginx(folder: Path, port: int, upstream: str, base_path: str) -> str:
    """The configuration, with what its first lines say has to be changed, and where it listens."""
    _write_certificate(folder)
    text = (ROOT / "deploy/nginx/opcode-htmx.conf").read_text()
    for old, new in (
        (r"listen \[::\]:[^;]*;\n", ""),
        (r"listen 443 ", f"listen 127.0.0.1:{port} "),
        (r"listen 80;", f"listen unix:{folder}/plain.sock;"),
        (r"server_name opcode\.example\.com;", "server_name localhost;"),
        (r"/etc/letsencrypt/live/opcode\.example\.com/", f"{folder}/"),
        (r"location ((?:= )?)/opcode/", rf"location \1{base_path}/"),
        (r"proxy_pass http://127\.0\.0\.1:8080;", f"proxy_pass http://{upstream};"),
    ):
        text, times = re.subn(old, new, text)
        assert times, f"deploy/nginx/opcode-htmx.conf has no {old}"
    (folder / "opcode.conf").write_text(text)
    user = f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(user=user))
    return str(path)


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

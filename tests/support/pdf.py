"""PDF documents made by hand, for tests."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

SQUARE = b"1 0 0 rg 0 0 100 100 re f"
"""A content that paints a red square into the lower left corner."""


def document(
    pages: int = 1,
    *,
    box: str = "0 0 200 300",
    content: bytes = SQUARE,
    resources: str = "",
    further: Sequence[bytes] = (),
    trailer: str = "",
) -> bytes:
    """A document whose pages are all alike.

    Object 3 is the content, `further` are the objects from 4 on; the pages follow.
    """
    first = 4 + len(further)
    kids = " ".join(f"{first + number} 0 R" for number in range(pages))
    page = (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 3 0 R "
        f"/Resources << {resources} >> >>"
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        stream("", content),
        *further,
        *[page.encode()] * pages,
    ]
    return assembled(objects, trailer)


def stream(members: str, content: bytes) -> bytes:
    """An object with bytes."""
    head = f"<< {members} /Length {len(content)} >>\nstream\n".encode()
    return head + content + b"\nendstream"


def assembled(objects: Sequence[bytes], trailer: str = "") -> bytes:
    """The file of objects, which are numbered from 1; the first is the catalog."""
    output = b"%PDF-1.7\n"
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(output))
        output += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return output + (
        b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
        + f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\n".encode()
        + b"startxref\n%d\n%%%%EOF\n" % len(output)
    )


def locked() -> bytes:
    """A document that no empty password opens."""
    secret = "<" + "41" * 32 + ">"
    encryption = f"<< /Filter /Standard /V 1 /R 2 /O {secret} /U {secret} /P -4 >>"
    trailer = "/Encrypt 4 0 R /ID [<01> <01>]"
    return document(further=[encryption.encode()], trailer=trailer)


def bomb() -> bytes:
    """A document of 1.5 MB whose content is 1.5 GB long."""
    packer = zlib.compressobj(9)
    begin = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    content = stream("/Filter /FlateDecode", begin + 150 * again)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 300] /Contents 4 0 R >>"
    return assembled(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            page,
            content,
        ]
    )

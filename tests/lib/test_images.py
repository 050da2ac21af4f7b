"""Images by their bytes: formats, sizes, and hostile bytes."""

from __future__ import annotations

import struct
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.lib import images

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return PNG_SIGNATURE + header + b"".join(more) + chunk(b"IEND", b"")


def gif(width: int, height: int, version: bytes = b"GIF89a") -> bytes:
    return version + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";"


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def jpeg(width: int, height: int, *before: bytes, frame: int = 0xC0) -> bytes:
    size = segment(frame, struct.pack(">BHHB", 8, height, width, 1) + bytes(3))
    return b"\xff\xd8" + b"".join(before) + size + segment(0xDA, bytes(6)) + b"\xff\xd9"


def exif(orientation: int) -> bytes:
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    return segment(0xE1, b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4))


def webp(form: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(form) + 4) + b"WEBP" + form


LOSSY = webp(b"VP8 " + bytes(10) + struct.pack("<HH", 64, 48) + bytes(9))
LOSSLESS = webp(b"VP8L" + bytes(5) + (63 | 47 << 14).to_bytes(4, "little") + bytes(9))
EXTENDED = webp(b"VP8X" + bytes(8) + (63).to_bytes(3, "little") + (47).to_bytes(3, "little"))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48" onload="alert(1)"/>'
TIFF = b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHIIHHII", 256, 4, 1, 64, 257, 4, 1, 48)
BMP = b"BM" + bytes(16) + struct.pack("<ll", 64, 48) + bytes(20)
WHOLE = [
    (png(64, 48), "image/png"),
    (jpeg(64, 48), "image/jpeg"),
    (gif(64, 48), "image/gif"),
    (gif(64, 48, b"GIF87a"), "image/gif"),
    (LOSSY, "image/webp"),
    (LOSSLESS, "image/webp"),
    (EXTENDED, "image/webp"),
]


@pytest.mark.parametrize(("content", "kind"), WHOLE)
def test_an_image_is_what_its_first_bytes_say(content: bytes, kind: str) -> None:
    assert images.kind_of(content) == kind
    assert images.size_of(content) == (64, 48)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG_SIGNATURE, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_the_first_bytes_are_enough_for_the_kind_but_not_for_the_size(
    content: bytes, kind: str
) -> None:
    assert images.kind_of(content) == kind
    assert images.size_of(content) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF",
        b"GIFs are images.",
        b"GIF88a" + gif(64, 48)[6:],
        b"\x89PNG\n\x1a\n" + png(64, 48)[8:],  # with changed line ends
        b"RIFF\x10\0\0\0WAVEfmt ",
        SVG,
        b"<?xml version='1.0'?>" + SVG,
        b"<html>",
        TIFF,
        BMP,
        b"P5 64 48 255 ",
        b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
        b"\0\0\x01\0",
    ],
)
def test_no_other_bytes_are_an_image(content: bytes) -> None:
    assert images.kind_of(content) == ""
    assert images.size_of(content) is None


def test_an_animated_png_is_a_png() -> None:
    animated = png(64, 48, chunk(b"acTL", struct.pack(">II", 1, 0)))
    assert images.kind_of(animated) == "image/png"
    assert images.size_of(animated) == (64, 48)


@pytest.mark.parametrize("frame", [0xC0, 0xC1, 0xC2, 0xC9])
def test_a_jpeg_of_any_coding_has_a_size(frame: int) -> None:
    assert images.size_of(jpeg(64, 48, frame=frame)) == (64, 48)


def test_a_photograph_that_is_stored_turned_has_the_size_that_is_shown() -> None:
    assert images.size_of(jpeg(64, 48, exif(1))) == (64, 48)
    assert images.size_of(jpeg(64, 48, exif(6))) == (48, 64)


def test_a_size_behind_a_long_description_is_found_within_the_head() -> None:
    description = segment(0xE2, bytes(40_000))
    assert images.size_of(jpeg(64, 48, exif(6), description, description)) == (48, 64)
    assert images.size_of(jpeg(64, 48, description, description, description)) is None


@pytest.mark.parametrize("content", [png(0, 48), png(64, 0), gif(0, 0), jpeg(0, 48)])
def test_an_image_without_a_side_has_no_size(content: bytes) -> None:
    assert images.size_of(content) is None


@given(
    st.sampled_from([content for content, _ in WHOLE] + [jpeg(64, 48, exif(6)), SVG, TIFF]),
    st.integers(0, 80),
    st.integers(0, 20),
    st.binary(max_size=80),
)
def test_hostile_bytes_raise_nothing(content: bytes, at: int, cut: int, rest: bytes) -> None:
    """Bytes are put into a whole image, in place of some of its own, or after its beginning."""
    for changed in (content[:at] + rest + content[at + cut :], content[:at] + rest):
        kind, size = images.kind_of(changed), images.size_of(changed)
        assert kind in {"", "image/png", "image/jpeg", "image/gif", "image/webp"}
        assert size is None or (kind and min(size) > 0)


@pytest.mark.parametrize(
    "filling", [b"\0", b"\xff", b"\xff\xe0\0\2", b"\xff\xe1\0\2", b"\xff\x01", b"\xff\xd0\0"]
)
def test_hostile_length_is_read_up_to_the_head_only(filling: bytes) -> None:
    began = time.process_time()
    assert images.size_of(b"\xff\xd8\xff\xe0\0\2" + filling * (20_000_000 // len(filling))) is None
    assert time.process_time() - began < 1.0

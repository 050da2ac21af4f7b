"""Addresses that may be cloned, and those that are refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.lib.git.clones.urls import UrlRefused, parse


@pytest.mark.parametrize(
    ("text", "address", "origin", "name"),
    [
        ("https://GitHub.com/o/n.git", "https://github.com/o/n.git", "https://github.com", "o__n"),
        (" https://h.example:8443/a/b/c/ ", "https://h.example:8443/a/b/c",
         "https://h.example:8443", "b__c"),
        ("https://h.example/n", "https://h.example/n", "https://h.example", "h.example__n"),
        ("ssh://git@h.example:22/o/n", "ssh://git@h.example:22/o/n", "ssh://h.example:22", "o__n"),
        ("git@h.example:o/n.git", "git@h.example:o/n.git", "ssh://h.example", "o__n"),
        ("git://h.example/o/n", "git://h.example/o/n", "git://h.example", "o__n"),
        ("http://127.0.0.1:99/o/n", "http://127.0.0.1:99/o/n", "http://127.0.0.1:99", "o__n"),
        ("https://h.example/o/%F0%9F%8D%8E x".replace(" ", "%20"),
         "https://h.example/o/%F0%9F%8D%8E%20x", "https://h.example", "o__x"),
    ],
)  # fmt: skip
def test_an_address_is_taken_apart(text: str, address: str, origin: str, name: str) -> None:
    found = parse(text, [])
    assert (found.text, found.origin, found.folder_name) == (address, origin, name)


OTHERS = [
    ("", "Name a repository"),
    ("nonsense", "owner/name"),
    ("ext::sh -c touch% /tmp/x", "start a program"),
    ("ext::sh", "start a program"),
    ("fd::17/x", "start a program"),
    ("-u./x:y", "does not begin"),
    ("--upload-pack=x", "does not begin"),
    ("https://me:secret@h.example/o/n", "Leave the user"),
    ("https://token@h.example/o/n", "Leave the user"),
    ("ssh://me:secret@h.example/o/n", "Leave the user"),
    ("ssh://-oProxyCommand=x/o/n", "no host"),
    ("-oProxyCommand=x@h:o/n", "does not begin"),
    ("a@-h:o/n", "cannot be read"),
    ("ftp://h.example/o/n", "Only addresses"),
    ("http://h.example/o/n", "not encrypted"),
    ("https://h.example/o/../n", "no repository"),
    ("https://h.example/o/%2e%2e/n", "no repository"),
    ("https://h.example/o/-n", "no repository"),
    ("https://h.example/o/n?x=1", "neither"),
    ("https://h.example/o/n%0Ax", "cannot be read"),
    ("https://h.example/", "no repository"),
    ("https://[/o/n", "cannot be read"),
    ("https://h.example:99999/o/n", "cannot be read"),
    ("https://h.example/o/n\nx", "cannot be"),
    ("/etc", "outside the folders"),
    ("file:///etc", "outside the folders"),
    ("file://elsewhere/etc", "cannot be read"),
    ("~nobody-of-this-name/x", "cannot be opened"),
    ("x" * 600, "cannot be"),
]


def refusal(text: str, root: Path) -> str:
    """Why the address is refused, empty if it is taken."""
    try:
        parse(text, [root])
    except UrlRefused as error:
        return str(error)
    return ""


def test_other_addresses_are_refused(tmp_path: Path) -> None:
    said = [(text, why, refusal(text, tmp_path)) for text, why in OTHERS]
    assert [each for each in said if each[1] not in each[2]] == []


def test_a_folder_below_a_root_is_cloned_by_the_protocol_and_a_link_out_of_it_is_not(
    tmp_path: Path,
) -> None:
    root = tmp_path.resolve() / "root"
    (root / "a b").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    found = parse(str(root / "a b"), [root])
    assert found.text == f"file://{root}/a%20b"
    assert (found.is_file, found.folder_name) == (True, "root__a-b")
    for text in (root / "link", root / "none", root / ".." / "outside"):
        with pytest.raises(UrlRefused):
            parse(str(text), [root])

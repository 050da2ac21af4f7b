"""What differs, in a few words: of two sequences, two pages, or the resources of a server."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.server.environment import Holdings


def first_difference(wanted: Sequence[object], got: Sequence[object]) -> str:
    """The first difference of two sequences, in a few words."""
    for place, (one, other) in enumerate(zip(wanted, got, strict=False)):
        if one != other:
            again = " (which it has already)" if other in got[:place] else ""
            return (
                f"{len(got)} of {len(wanted)}; at {place} {str(one)[:300]} is wanted, "
                f"and there is {str(other)[:300]}{again}"
            )
    if len(got) == len(wanted):
        return "no difference"
    what = got[len(wanted)] if len(got) > len(wanted) else wanted[len(got)]
    word = "too much" if len(got) > len(wanted) else "missing"
    return f"{len(got)} of {len(wanted)}; {word} from {str(what)[:300]}"


def page_differences(fresh: dict[str, str], page: dict[str, str]) -> list[str]:
    return [
        f"{name}: {_around(fresh.get(name, ''), page.get(name, ''))}"
        for name in sorted(fresh.keys() | page.keys())
        if fresh.get(name) != page.get(name)
    ]


def _around(fresh: str, page: str) -> str:
    """Two texts from a little before their first difference."""
    same = next((i for i, (a, b) in enumerate(zip(fresh, page, strict=False)) if a != b), 0)
    begin = max(0, same - 80)
    return f"fresh …{fresh[begin : same + 200]!r}, live …{page[begin : same + 200]!r}"


def surplus_of(before: Holdings, now: Holdings) -> list[str]:
    files = now.files - before.files
    greenlets = now.greenlets - before.greenlets
    threads = now.threads - before.threads
    return [
        *(f"{count}× {what}" for what, count in files.items()),
        *(f"{count}× greenlet {what}" for what, count in greenlets.items()),
        *([f"{threads}× thread"] if threads > 0 else []),
    ]

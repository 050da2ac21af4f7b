"""Read the YAML in the header of a command or skill: no aliases, and little nesting."""

from __future__ import annotations

import yaml

DEEPEST = 8
"""Lists and mappings in one another."""


class _Refused(yaml.YAMLError):
    """A header exceeds the limits."""


class Loader(yaml.SafeLoader):
    """Refuses aliases, which multiply what they name, and deep nesting, which takes its square."""

    _depth = 0

    def fetch_alias(self) -> None:
        raise _Refused

    def fetch_anchor(self) -> None:
        raise _Refused

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        if self.flow_level >= DEEPEST:
            raise _Refused
        super().fetch_flow_collection_start(token)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > DEEPEST + 1:
            raise _Refused
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def fields(header: str) -> dict[str, object]:
    """The fields; what can be read of a header that is no YAML."""
    try:
        found = yaml.load(header, Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        # A value may not be what its tag says, which the library takes for granted. And people
        # write `argument-hint: [a] [b]`, which is no YAML; what can be read, is
        pairs = (line.partition(":") for line in header.splitlines())
        return {key.strip(): value.strip() for key, colon, value in pairs if colon}
    return found if isinstance(found, dict) else {}

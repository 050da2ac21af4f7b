"""Why an act on a plugin or a marketplace is refused."""

from __future__ import annotations


class InvalidPlugin(Exception):
    """A name, a scope or a source that cannot be used; the text says why."""


class UnknownPlugin(InvalidPlugin):
    """There is no such plugin or marketplace."""


class PluginChanged(Exception):
    """A plugin brings other things than those that the person was shown."""

"""Checks of what the server needs of its machine, for the page, `opcode-htmx doctor` and bundles.

A check needs the settings only, so that it can be made without a server.
"""

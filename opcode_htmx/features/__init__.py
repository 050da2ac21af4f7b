"""Capabilities: one folder each, registered by one line in app/registry.py."""

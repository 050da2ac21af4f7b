"""Snapshots of working trees, and their restore."""

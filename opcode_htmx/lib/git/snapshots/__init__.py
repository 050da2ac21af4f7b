"""Snapshots of working trees as commits of git, made beside a person's index, and restored."""

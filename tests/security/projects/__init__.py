"""Hostile projects and repositories."""

"""Hostile text in sessions, files and names."""

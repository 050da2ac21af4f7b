"""Backups of a folder while programs write in it: what is copied, the archive, and encryption."""

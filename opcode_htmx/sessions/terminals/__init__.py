"""Terminals in the folders of projects: their records, processes and viewers."""

"""Addresses in foreign text: which are found, become links, and where they lead."""

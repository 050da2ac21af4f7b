"""Differential tests: plans of sessions, played by the real CLI and compared with the page."""

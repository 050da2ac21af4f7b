"""Tests of claude_plugins."""

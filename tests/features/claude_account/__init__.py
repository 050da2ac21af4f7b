"""Tests of claude_account."""

"""Attacks, one file a topic: each test fails where the defence is missing."""

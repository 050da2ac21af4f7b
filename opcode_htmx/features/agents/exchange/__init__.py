"""Agents from and for elsewhere: `.opcode.json` documents, Claude's subagents, GitHub."""

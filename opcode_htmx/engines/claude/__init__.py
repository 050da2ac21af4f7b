"""The Claude CLI: its protocol, its files, its configuration and its installations."""

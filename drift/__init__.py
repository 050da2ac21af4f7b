"""The drift check: names in the output of the newest Claude CLI that this code does not know."""

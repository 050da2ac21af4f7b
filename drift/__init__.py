"""The drift watch: what the newest Claude CLI writes that this code does not know."""

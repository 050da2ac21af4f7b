"""Try a hook: a sample of its event, one run, and what Claude would make of it."""

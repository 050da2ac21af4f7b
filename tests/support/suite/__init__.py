"""How a run of all tests shares its parts, and what unit tests must not start."""

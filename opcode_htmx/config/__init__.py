"""Settings and credentials: the only readers of the environment."""

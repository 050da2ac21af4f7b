"""What several capabilities share about the configuration of Claude."""

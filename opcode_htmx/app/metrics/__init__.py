"""What the platform measures."""

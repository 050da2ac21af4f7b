"""What must not be possible, finding by finding."""

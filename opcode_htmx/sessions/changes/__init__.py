"""What is known of the files that sessions have changed."""

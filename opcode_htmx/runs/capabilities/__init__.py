"""What Claude offers, its models and commands: probed, cached, read from runs."""

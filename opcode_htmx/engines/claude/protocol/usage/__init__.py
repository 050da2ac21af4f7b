"""What Claude's lines say of usage and of the limits of the plan."""

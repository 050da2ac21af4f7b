"""What leaves this repository: the locked requirements and the wheel."""

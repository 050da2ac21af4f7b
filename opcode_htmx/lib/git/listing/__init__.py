"""What the programs are that a command of git would run."""

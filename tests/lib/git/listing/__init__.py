"""The programs that a command of git would run."""

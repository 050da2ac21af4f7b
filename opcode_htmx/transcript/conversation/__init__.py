"""One session as one sequence of blocks: Claude's history and our runs."""

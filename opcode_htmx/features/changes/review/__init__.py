"""Comments on changed lines, and marks on files that were looked at."""

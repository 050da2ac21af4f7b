"""Lists of sessions: the changes that the kernel reports, and the summaries of many files."""

"""Rules about runs: limits, disk space, viewers, start order, folders and trust."""

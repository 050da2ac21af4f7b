"""From a prompt to its answer, line by line: delay, CPU time, and a smooth page."""

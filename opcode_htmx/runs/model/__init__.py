"""The record, files, lines and state of one run. Starts and signals no process."""

"""A server as a whole: its start, memory and stalls, under load and over many runs."""

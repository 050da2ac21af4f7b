"""Claude's stream-json: parse its lines, encode ours, build its command line."""

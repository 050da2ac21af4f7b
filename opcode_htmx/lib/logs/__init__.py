"""The log: ids of requests and runs, formats, what is hidden, and the files."""

"""The log: ids of requests and runs, formats, what is hidden, files, and stacks of threads."""

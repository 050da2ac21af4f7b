"""What programs use: the seeds' REST and sockets, thin over runs and Claude's own files."""

"""The API for programs: REST and sockets, thin over runs and sessions."""

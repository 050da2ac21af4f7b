"""The API for scripts and other front ends: JSON over HTTP and sockets."""

"""Services that REST and sockets share: start, find and end runs, read their output."""

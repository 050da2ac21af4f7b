"""The commands of the command line, besides the start of the server: one module each."""

"""What stands around a server while it is measured: a stand-in that writes, and its readers."""

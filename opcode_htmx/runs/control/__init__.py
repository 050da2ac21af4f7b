"""The life of one run: start it, own it, send to it, shut it down."""

"""The real Claude CLI and its stand-in, as tests start and steer them."""

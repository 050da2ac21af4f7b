"""The demo: the real Claude CLI against a scripted Messages API, without an account."""

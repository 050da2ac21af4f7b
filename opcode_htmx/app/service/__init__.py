"""The server as a service of the user, under systemd or launchd."""

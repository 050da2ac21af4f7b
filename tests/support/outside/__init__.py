"""What stands in for programs and services beyond the app, on loopback."""

"""The gunicorn worker, and the connections that it accepts."""

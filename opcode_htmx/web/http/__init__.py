"""HTTP: bodies, headers, errors, forms, compression and the gunicorn worker."""

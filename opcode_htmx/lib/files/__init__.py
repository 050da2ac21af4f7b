"""Files and folders: atomic writes, locks, watches, confinement to a root, disk space."""

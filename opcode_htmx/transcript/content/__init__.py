"""Content of blocks other than plain text: images, downloads, unknown data."""

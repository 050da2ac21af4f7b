"""Content of blocks other than plain text: images, downloads, data nobody knows."""

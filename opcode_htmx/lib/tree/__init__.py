"""Read and change the files below one open folder, whatever names and links are in it."""

"""Pages of PDF documents as images, drawn by a process of their own."""

"""Pages in a browser, and checks of them."""

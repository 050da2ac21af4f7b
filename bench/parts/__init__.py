"""The measured parts, by subject; `bench/__main__.py` lists them."""

"""What is made when it is needed first, to keep a start short."""

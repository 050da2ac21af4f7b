"""What REST and sockets share: starting, finding and ending runs for programs."""

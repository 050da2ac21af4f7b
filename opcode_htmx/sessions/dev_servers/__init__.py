"""What the processes of sessions listen on, and the sign of it on the pages of sessions."""

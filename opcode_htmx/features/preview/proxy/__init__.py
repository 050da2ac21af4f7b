"""The reverse proxy before dev servers: who may pass, headers, HTTP and WebSockets."""

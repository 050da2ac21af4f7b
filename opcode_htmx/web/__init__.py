"""The web platform: login, HTTP and WebSockets. Knows no page of a capability."""

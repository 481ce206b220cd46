"""Real servers for the tests: one module per server."""

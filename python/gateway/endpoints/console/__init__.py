"""The console: a page for operators, and the socket that keeps it up to date."""

"""The life of a connection: admission, rooms and audiences, sectors, refreshes, the end."""

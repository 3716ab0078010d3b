"""Redis as the gateway sees it: `base` is the port, `redis` keeps it, `embedded` runs a server of our own."""

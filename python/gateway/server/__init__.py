"""uvicorn, set up for long-lived WebSockets: `gateway serve`."""

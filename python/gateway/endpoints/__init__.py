"""The edge: HTTP and WebSocket routes. What they refuse, nothing behind them checks again."""

"""How the gateway treats a server that fails: `circuit_breaker` stops asking it, `jitter` spaces the attempts."""

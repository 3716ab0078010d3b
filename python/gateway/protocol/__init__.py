"""The vocabulary: close codes, audiences, events, routing, messages. No I/O, no framework, no asyncio."""

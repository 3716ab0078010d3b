"""The demo page: a restaurant's evening in one browser window. Development only."""

"""Authentication: a token in, an `Identity` out; revocation; the Origin of a browser."""

"""The tables of `docs/es`: the code's own words and numbers, in Spanish."""

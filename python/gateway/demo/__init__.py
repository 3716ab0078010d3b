"""A simulated evening in several restaurants, whose clients check everything that they are sent."""

"""Dishonest nodes and owners among real, honest ones: what they try, and what must come of it."""

"""Repair: one step of a migration plan, carried out."""

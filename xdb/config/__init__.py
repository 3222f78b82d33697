"""Configuration of the daemons: read once, checked whole, then passed as frozen records."""

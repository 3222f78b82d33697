"""Ids and frozen records: what the system talks about, without behaviour."""

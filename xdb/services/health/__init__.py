"""Health as an owner sees it: from the chain, and from what its own probes showed."""

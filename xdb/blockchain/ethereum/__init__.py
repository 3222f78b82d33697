"""The registry on Ethereum: a contract that mirrors `core.rules`, and its artifacts."""

"""The roles on this machine: real adapters round the nodes, one module per role."""

"""Upload: a stream of plaintext becomes replicas on nodes, and a record on the chain."""

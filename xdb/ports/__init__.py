"""What the system asks of the world, as Protocols. Nothing here does anything.

Each port states idempotence, ordering and the errors it raises. Adapters live in
`runtime`, `store`, `peer` and `blockchain`; in-memory ones beside them or in
`testing`.
"""

"""What dishonest storage nodes do: each a twist of one real node."""

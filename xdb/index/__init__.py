"""Chain events turned into views that answer at once; docs/chain.md says how."""

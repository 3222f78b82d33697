"""What dishonest owners do, with keys of their own, to honest nodes."""

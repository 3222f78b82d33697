"""Chains of a simulated network: three personalities of one ledger, with what goes wrong on each.

The rules that they execute are `core.rules`, unchanged; what differs is when a call takes
effect, whether it stays, and what a node sees of it. Everything random comes from the tape.
"""

from xdb.testing.simulation.chains.chain import Chain
from xdb.testing.simulation.chains.making import Personality, make_chain
from xdb.testing.simulation.chains.notes import CHAIN_STATES

__all__ = ["CHAIN_STATES", "Chain", "Personality", "make_chain"]

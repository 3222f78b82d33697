"""Plans for people."""

from xdb.core.migration.model import Action, Deferred, Step


def describe(item: Step | Deferred) -> str:
    """One sentence: what is done or not done, to what, and why."""
    if isinstance(item, Deferred):
        slot = f"slot {item.slot} of " if item.slot else ""
        return f"leave {slot}file {item.file.hex()}: {item.sentence}"
    slot = f"slot {item.slot} of file {item.file.hex()} ({item.size} bytes)"
    target = f"node {item.target.hex()}"
    match item.action:
        case Action.RESTORE:
            what = f"restore {slot} in place on {target}"
        case Action.MOVE if item.source == item.target:
            what = f"make {slot} again for the same {target}"
        case Action.MOVE:
            what = f"make {slot} again for {target}"
        case Action.HANDOVER:
            what = f"hand {slot} over to {target}"
        case Action.EXTEND:
            what = f"add {slot} on {target}"
        case Action.SHRINK:
            what = f"drop slot {item.slot} of file {item.file.hex()} from {target}"
    return f"{what}: {item.cause}"

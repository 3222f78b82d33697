"""Where an event meets what it changes."""

from xdb.index import files, members
from xdb.index.poison import PoisonError
from xdb.index.staging import Staging
from xdb.model import events
from xdb.model.events import Event
from xdb.model.registry import Parameters


def apply_event(staging: Staging, parameters: Parameters, event: Event, time: int) -> bool:
    """Stages what an event of chain time `time` changes; False, and nothing, when it is poison.

    One event that makes no sense must not hide all that come after it.
    """
    try:
        _apply(staging, parameters, event, time)
    except (PoisonError, ValueError, OverflowError):  # the latter: values that cannot be kept
        staging.drop()
        return False
    staging.keep()
    return True


def _apply(staging: Staging, parameters: Parameters, event: Event, time: int) -> None:  # noqa: C901, PLR0912  # one line for each event
    match event:
        case events.NodeRegistered():
            members.registered(staging, parameters, event, time)
        case events.NodeUpdated():
            members.updated(staging, parameters, event, time)
        case events.NodeStateSet():
            members.state_set(staging, event)
        case events.HeartbeatSeen():
            members.heartbeat(staging, event, time)
        case events.NodeResigned():
            members.resigned(staging, parameters, event)
        case events.NamespaceCreated():
            members.created(staging, event, time)
        case events.NamespaceUpdated():
            members.changed(staging, event)
        case events.HoldingSurrendered():
            files.lost(staging, event.node, events.HoldingRef(event.file, event.slot))
        case events.ProofAccepted():
            for holding in event.lost:
                files.lost(staging, event.node, holding)
        case events.FilePublished():
            files.published(staging, event, time)
        case events.FileRenewed():
            files.renewed(staging, event)
        case events.FileRenamed():
            files.renamed(staging, event)
        case events.FileDeleted():
            files.deleted(staging, event, time)
        case events.FileMoved():
            files.moved(staging, event)
        case events.FileExtended():
            files.extended(staging, event)
        case events.FileShrunk():
            files.shrunk(staging, event)
        case events.FileReleased():
            files.released(staging, event)
        case _:  # others, and those of later versions, have no view here
            pass

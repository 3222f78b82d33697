"""Where an event meets what it changes."""

from xdb.index import files, members, proofs
from xdb.index.moment import Moment
from xdb.index.poison import PoisonError
from xdb.index.staging import Staging
from xdb.model import events
from xdb.model.events import Event


def apply_event(staging: Staging, event: Event, at: Moment) -> bool:
    """Stages what an event changes; False, and nothing, when it is poison.

    One event that makes no sense must not hide all that come after it.
    """
    try:
        _apply(staging, event, at)
    except (PoisonError, ValueError, OverflowError):  # the latter: values that cannot be kept
        staging.drop()
        return False
    staging.keep()
    return True


def _apply(staging: Staging, event: Event, at: Moment) -> None:  # noqa: C901, PLR0912  # one line for each event
    match event:
        case events.NodeRegistered():
            members.registered(staging, event, at)
        case events.NodeUpdated():
            members.updated(staging, event, at)
        case events.NodeStateSet():
            members.state_set(staging, event, at)
        case events.HeartbeatSeen():
            members.heartbeat(staging, event, at)
        case events.NodeResigned():
            members.resigned(staging, event, at)
        case events.NamespaceCreated():
            members.created(staging, event, at)
        case events.NamespaceUpdated():
            members.changed(staging, event)
        case events.FilePublished():
            files.published(staging, event, at)
        case events.FileRenewed():
            files.renewed(staging, event, at)
        case events.FileRenamed():
            files.renamed(staging, event, at)
        case events.FileDeleted():
            files.deleted(staging, event, at)
        case events.FileMoved():
            files.moved(staging, event, at)
        case events.FileExtended():
            files.extended(staging, event, at)
        case events.FileShrunk():
            files.shrunk(staging, event, at)
        case events.FileReleased():
            files.released(staging, event, at)
        case _:
            _apply_audit(staging, event, at)


def _apply_audit(staging: Staging, event: Event, at: Moment) -> None:
    match event:
        case events.SeedRevealed():
            proofs.revealed(staging, event, at)
        case events.BucketsSealed():
            proofs.sealed(staging, event, at)
        case events.ProofAccepted():
            proofs.accepted(staging, event, at)
            for holding in event.lost:
                files.lost(staging, event.node, holding, at)
        case events.HoldingSurrendered():
            files.lost(staging, event.node, events.HoldingRef(event.file, event.slot), at)
        case _:  # those of later versions have no view here
            pass

"""AuditService: what audits have shown, and probes of storage nodes now."""

from dataclasses import dataclass, replace

from xdb.errors import NotFoundError
from xdb.index.paging import MOST
from xdb.pb import owner_pb2
from xdb.rpc import history_messages, owner_messages
from xdb.rpc.clients import Clients
from xdb.rpc.edge import Context, Method
from xdb.rpc.fields import node_id
from xdb.rpc.server import Service, service_of, unary
from xdb.services.findings import Finding
from xdb.services.history import AuditFilter, History
from xdb.tasks.auditor import AuditorTask

NAME = "xdb.v1.AuditService"
PAGE = 100


@dataclass(frozen=True, slots=True)
class AuditServicer:
    """Hands requests to the owner's auditor."""

    auditor: AuditorTask
    history: History
    clients: Clients

    async def list_audits(
        self, request: owner_pb2.ListAuditsRequest, _context: Context
    ) -> owner_pb2.ListAuditsReply:
        """A page of audits, the newest first."""
        self.clients.check()
        limit = min(request.limit or PAGE, MOST)
        page = self.history.audits(self._wanted(request), request.cursor, limit)
        return owner_pb2.ListAuditsReply(
            audits=[history_messages.audit(self.history, view) for view in page.items],
            next=page.next,
            epoch_length=self.history.index.parameters.epoch,
        )

    async def count(
        self, request: owner_pb2.ListAuditsRequest, _context: Context
    ) -> owner_pb2.AuditCounts:
        """How many audits have which verdict."""
        self.clients.check()
        return history_messages.counts(self.history.count(self._wanted(request), request.cursor))

    async def show(
        self, request: owner_pb2.ShowAuditRequest, _context: Context
    ) -> owner_pb2.AuditInfo:
        """One audit."""
        self.clients.check()
        return history_messages.audit(self.history, self.history.audit(request.id).view)

    def _wanted(self, request: owner_pb2.ListAuditsRequest) -> AuditFilter:
        wanted = history_messages.audit_filter(request)
        if not request.HasField("file"):
            return wanted
        file = self.history.catalog.find(owner_messages.file_ref(request.file))
        return replace(wanted, file=file)

    async def run(
        self, request: owner_pb2.RunAuditRequest, _context: Context
    ) -> owner_pb2.AuditReport:
        """One probe of every node, or of one."""
        self.clients.check()
        node = None
        if request.node:
            node = node_id(request.node)
            if self.auditor.index.node_record(node) is None:
                raise NotFoundError(
                    f"there is no node {node.hex()}: `xdb-cli nodes list` shows all of them"
                )
        report, findings = await self.auditor.round(node)
        ordered = sorted(findings, key=lambda finding: finding.node)
        return owner_pb2.AuditReport(
            findings=[_finding(finding) for finding in ordered],
            note=report.note,
            problems=report.problems,
        )


def _finding(finding: Finding) -> owner_pb2.AuditFinding:
    return owner_pb2.AuditFinding(
        node=finding.node,
        answered=finding.answered,
        text=finding.text,
        right=finding.right,
        wrong=finding.wrong,
        damaged=[
            owner_pb2.DamagedSlot(file=file, slot=slot) for file, slot in sorted(finding.damages)
        ],
    )


def audit_service(auditor: AuditorTask, history: History, clients: Clients) -> Service:
    """The service of an owner node."""
    servicer = AuditServicer(auditor, history, clients)
    handlers = {
        "List": unary(servicer.list_audits, owner_pb2.ListAuditsRequest),
        "Count": unary(servicer.count, owner_pb2.ListAuditsRequest),
        "Show": unary(servicer.show, owner_pb2.ShowAuditRequest),
        "Run": unary(servicer.run, owner_pb2.RunAuditRequest),
    }
    # nodes that do not answer are waited for
    return service_of(NAME, handlers, {"Run": Method("bulk", endless=True)})

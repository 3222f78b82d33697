"""AuditService: probes of storage nodes, now."""

from dataclasses import dataclass

from xdb.errors import NotFoundError
from xdb.model.ids import Address, NodeId
from xdb.pb import owner_pb2
from xdb.rpc.clients import Clients
from xdb.rpc.edge import Context, Method
from xdb.rpc.fields import fixed
from xdb.rpc.server import Service, service_of, unary
from xdb.services.auditing import Finding
from xdb.tasks.auditor import AuditorTask

NAME = "xdb.v1.AuditService"


@dataclass(frozen=True, slots=True)
class AuditServicer:
    """Hands requests to the owner's auditor."""

    auditor: AuditorTask
    clients: Clients

    async def run(
        self, request: owner_pb2.RunAuditRequest, _context: Context
    ) -> owner_pb2.AuditReport:
        """One probe of every node, or of one."""
        self.clients.check()
        node = None
        if request.node:
            node = NodeId(Address(fixed(request.node, NodeId, "node")))
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


def audit_service(auditor: AuditorTask, clients: Clients) -> Service:
    """The service of an owner node."""
    servicer = AuditServicer(auditor, clients)
    handlers = {"Run": unary(servicer.run, owner_pb2.RunAuditRequest)}
    # nodes that do not answer are waited for
    return service_of(NAME, handlers, {"Run": Method("bulk", endless=True)})

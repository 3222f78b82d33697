"""Auditor: an owner node probes storage nodes, those that hold its files above all."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from xdb.errors import ConfigError, XdbError
from xdb.index.index import Index
from xdb.model.ids import Address, NodeId
from xdb.model.registry import NodeState
from xdb.runtime.logging import Log
from xdb.services.auditing import Auditing
from xdb.services.candidates import NodeSurvey
from xdb.services.findings import Finding, Place
from xdb.services.together import together

AT_ONCE = 8
"""Nodes that are probed at once."""
MOST_LEAVES = 256


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """How much is asked of a node at a time: leaves of random replicas."""

    leaves: int = 4

    def __post_init__(self) -> None:
        """Probes that ask for nothing, or for everything, are mistakes."""
        if not 1 <= self.leaves <= MOST_LEAVES:
            raise ConfigError(f"audit.leaves is {self.leaves}: choose 1 to {MOST_LEAVES}")


@dataclass(frozen=True, slots=True)
class AuditorReport:
    """Nodes asked and silent, leaves shown right and wrong, slots that are damaged.

    `note` says why silences do not count.
    """

    asked: int = 0
    silent: int = 0
    right: int = 0
    wrong: int = 0
    damaged: int = 0
    note: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditorTask:
    """Of one owner. Rounds wait for each other: what one finds, it also remembers."""

    owner: Address
    index: Index
    auditing: Auditing
    survey: NodeSurvey
    log: Log
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run_once(self) -> AuditorReport:
        """One probe of every node."""
        report, _ = await self.round()
        return report

    async def round(self, node: NodeId | None = None) -> tuple[AuditorReport, list[Finding]]:
        """One probe of every node, or of one; what was found is remembered."""
        async with self.turn:
            return await self._round(node)

    async def _round(self, node: NodeId | None) -> tuple[AuditorReport, list[Finding]]:
        parameters = self.index.parameters
        age = int(self.auditing.clock.wall()) - self.index.head.time
        if age > max(parameters.receipt_validity, parameters.heartbeat):
            # nodes keep for so long what was moved away, and answer for it
            note = f"nobody is asked while the newest known block is {age} s old"
            return AuditorReport(note=note), []
        nodes = self._nodes() if node is None else [node]
        round_ = _Round(self.auditing, iter(nodes), await self.auditing.doubtful())
        await together(*(round_.work() for _ in range(AT_ONCE)))
        answered = any(finding.answered for finding in round_.findings)
        if any(finding.right for finding in round_.findings):
            for finding in round_.findings:
                finding.hold_refusals_against()
        # when nobody answers, the one who asks is cut off
        is_cut_off = not answered and len(round_.findings) > 1
        for finding in sorted(round_.findings, key=lambda finding: finding.node):
            if not is_cut_off:
                await self._note(finding)
        await self.auditing.tidy(round_.findings)
        if round_.bugs:
            raise round_.bugs[0]
        note = "no node answers: this owner node seems to be cut off" if is_cut_off else ""
        return _report(round_, note), round_.findings

    def _nodes(self) -> list[NodeId]:
        """Who holds anything of the owner, and who could."""
        holders = set(self.index.audits.holders_of(self.owner))
        return [
            view.record.node
            for view in self.survey.views()
            if view.record.node in holders
            or (view.record.state is not NodeState.OFFLINE and self.survey.trust.allows(view))
        ]

    async def _note(self, finding: Finding) -> None:
        seen, node = self.auditing.observations, finding.node
        was, was_wrong = seen.is_reachable(node), seen.showed_wrong(node)
        await self.auditing.note(finding)
        if not finding.answered and was is not False:
            self.log.warning("node.silent", node=node.hex(), reason=finding.text)
        if finding.wrong and not was_wrong:
            self.log.warning(
                "node.wrong", node=node.hex(), leaves=finding.wrong, reason=finding.text
            )


@dataclass(slots=True)
class _Round:
    auditing: Auditing
    nodes: Iterator[NodeId]
    doubtful: Mapping[NodeId, Collection[Place]]
    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bugs: list[Exception] = field(default_factory=list)

    async def work(self) -> None:
        for node in self.nodes:
            try:
                doubtful = self.doubtful.get(node, ())
                self.findings.append(await self.auditing.probe(node, doubtful))
            except XdbError as error:
                self.problems.append(f"node {node.hex()}: {error}")
            except Exception as error:  # noqa: BLE001  # raised when the others have been asked
                self.bugs.append(error)


def _report(round_: _Round, note: str) -> AuditorReport:
    findings = round_.findings
    return AuditorReport(
        asked=len(findings),
        silent=sum(not finding.answered for finding in findings),
        right=sum(finding.right for finding in findings),
        wrong=sum(finding.wrong for finding in findings),
        damaged=sum(len(finding.damages) for finding in findings),
        note=note,
        problems=(
            *round_.problems,
            *(problem for finding in findings for problem in finding.problems),
        ),
    )

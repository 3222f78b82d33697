from collections import Counter
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.core.health import slot_health
from xdb.core.migration import (
    Action,
    Hold,
    MigrationConfig,
    PlanFile,
    PlanNode,
    describe,
    plan,
)
from xdb.core.placement import Candidate
from xdb.model.health import FileHealth, HoldingFacts, Reason, Trigger
from xdb.model.ids import FileId, NodeId, Tag
from xdb.model.registry import Coding, NodeState, Parameters, Redundancy

P = Parameters(start=0)
EPOCH = P.epoch
NOW = 1000 * EPOCH
SETTINGS = settings(deadline=None, max_examples=60)

ages = st.sampled_from([0, 1, 599, 600, EPOCH - 1, EPOCH, 2 * EPOCH, 9 * EPOCH])
pasts = ages.map(lambda age: NOW - age)


def nid(number):
    return NodeId(number.to_bytes(20, "big"))


@st.composite
def planned_nodes(draw):
    found = []
    for number in range(1, draw(st.integers(4, 10)) + 1):
        state = draw(st.sampled_from([*[NodeState.ONLINE] * 12, *NodeState]))
        reasons = set()
        if state is NodeState.DRAINING:
            reasons.add(Reason.DRAINING)
        if state is NodeState.LEFT:
            reasons.add(Reason.LEFT)
        doubt = draw(st.sampled_from([*[None] * 6, Reason.SILENT, Reason.MISSED]))
        reasons |= {doubt} - {None}
        candidate = Candidate(
            nid(number),
            draw(st.sampled_from("abcd")),
            draw(st.sampled_from("xy")),
            draw(st.sampled_from([9, 9, 9, 5, 2, 0])),
            healthy=draw(st.booleans()),
            allowed=draw(st.sampled_from([True, True, True, False])),
        )
        found.append(
            PlanNode(
                candidate,
                state,
                draw(st.sampled_from([*[True] * 7, False])) and Reason.SILENT not in reasons,
                tuple(Trigger(r, draw(pasts), r.name) for r in sorted(reasons)),
                draw(st.sampled_from([0, 0, 0, 1, NOW])),
            )
        )
    return found


@st.composite
def planned_files(draw, nodes):
    found = []
    for name in range(draw(st.integers(1, 6))):
        total = draw(st.integers(1, min(4, len(nodes))))
        coded = total > 2 and draw(st.booleans())
        redundancy = Redundancy(Coding.ERASURE, 2, total) if coded else copies(total)
        policy = draw(
            st.one_of(
                st.just(redundancy),
                st.integers(1, 6).map(copies),
                st.just(replace(redundancy, total=total + 1)),
            )
        )
        holders = draw(st.permutations(nodes))[:total]
        size = draw(st.integers(1, 3))
        slots = []
        for slot, holder in enumerate(holders, 1):
            moved = draw(st.sampled_from([0, 0, NOW - EPOCH, NOW - 2 * EPOCH]))
            lost = draw(st.sampled_from([*[0] * 9, 5, NOW]))
            damaged = draw(st.sampled_from([*[0] * 9, 5, NOW]))
            facts = HoldingFacts(slot, holder.candidate.node, size, lost, damaged, moved)
            slots.append(slot_health(facts, holder.triggers))
        found.append(
            PlanFile(
                FileHealth(
                    FileId(bytes([name]) * 32), Tag(bytes(32)), redundancy, policy, tuple(slots)
                ),
                version=draw(st.integers(1, 9)),
                is_live=draw(st.sampled_from([True, True, False])),
            )
        )
    return found


def copies(total):
    return Redundancy(Coding.COPIES, 1, total)


configs = st.builds(
    MigrationConfig,
    hysteresis=st.integers(0, 3),
    steps_per_cycle=st.sampled_from([1, 3, 64]),
    bytes_per_cycle=st.sampled_from([1, 5, 10**9]),
    leave_red=st.booleans(),
    leave_denied=st.booleans(),
)


@st.composite
def situations(draw):
    nodes = draw(planned_nodes())
    return nodes, draw(planned_files(nodes)), draw(configs)


def made(situation):
    nodes, files, config = situation
    return plan(files, nodes, P, NOW, config)


def by_file(files):
    return {file.health.file: file for file in files}


@SETTINGS
@given(situations(), st.randoms(use_true_random=False))
def test_a_plan_does_not_depend_on_order(situation, random):
    nodes, files, config = situation
    shuffled = (random.sample(nodes, len(nodes)), random.sample(files, len(files)), config)
    assert made(shuffled) == made(situation)


@SETTINGS
@given(situations())
def test_a_slot_has_one_step_or_one_reason_to_wait(situation):
    found = made(situation)
    slots = Counter((item.file, item.slot) for item in (*found.steps, *found.deferred))
    assert not slots or max(slots.values()) == 1
    for item in (*found.steps, *found.deferred):
        assert item.file.hex() in describe(item)


@SETTINGS
@given(situations())
def test_targets_hold_no_other_slot_and_are_fit(situation):
    nodes, files, _ = situation
    known = {node.candidate.node: node for node in nodes}
    used = Counter()
    holders = {
        file.health.file: [slot.holding.node for slot in file.health.slots] for file in files
    }
    for step in made(situation).steps:
        target = known[step.target]
        if step.action is Action.SHRINK:
            assert holders[step.file].pop() == step.source == step.target
            assert step.slot == len(holders[step.file]) + 1
            continue
        assert target.state is NodeState.ONLINE
        assert target.is_reachable
        others = [n for slot, n in enumerate(holders[step.file], 1) if slot != step.slot]
        assert step.target not in others
        if step.action is Action.RESTORE:
            assert step.source == step.target
            continue
        assert target.candidate.allowed
        assert not target.triggers
        used[step.target] += step.size
        # the record as it will be, beside the record as it is
        if step.action is Action.EXTEND:
            holders[step.file].append(step.target)
        else:
            holders[step.file][step.slot - 1] = step.target
    assert all(used[node] <= known[node].candidate.free for node in used)


@SETTINGS
@given(situations(), st.data())
def test_nodes_with_good_copies_never_become_fewer_whatever_fails(situation, data):
    _, files, _ = situation
    steps = made(situation).steps
    for file in files:
        holders = {slot.holding.slot: slot.holding.node for slot in file.health.slots}
        good = {slot.holding.slot for slot in file.health.slots if slot.is_good}
        least = len(good)
        version = file.version
        for step in [step for step in steps if step.file == file.health.file]:
            is_transaction = step.action is not Action.RESTORE
            if data.draw(st.booleans()) or (is_transaction and step.version != version):
                continue  # it failed, or the registry refused it
            if step.action is Action.SHRINK:
                assert holders.pop(max(holders)) == step.source
                good.discard(step.slot)
                assert step.slot not in holders
                assert good >= set(range(1, file.health.wanted + 1))
                least = min(least, len(good))
                version += 1
                continue
            assert step.slot in holders or step.slot == len(holders) + 1
            holders[step.slot] = step.target
            good.add(step.slot)
            version += is_transaction
            assert len(set(holders.values())) == len(holders)
            assert len({holders[slot] for slot in good}) >= least


@SETTINGS
@given(situations())
def test_operators_are_distinct_when_possible(situation):
    nodes, files, _ = situation
    known = {node.candidate.node: node for node in nodes}
    still = {Action.RESTORE, Action.SHRINK}
    moving = [step for step in made(situation).steps if step.action not in still]
    for step in moving[:1]:  # before it, no room is given away
        slots = by_file(files)[step.file].health.slots
        others = {s.holding.node for s in slots if s.holding.slot != step.slot}
        used = Counter(known[node].candidate.operator for node in others)
        for node in nodes:
            candidate = node.candidate
            fit = (
                node.state is NodeState.ONLINE
                and node.is_reachable
                and not node.triggers
                and candidate.allowed
                and candidate.free >= step.size
                and candidate.healthy
                and not node.red_since
                and candidate.node not in {*others, step.source}
            )
            if fit:
                assert used[candidate.operator] >= used[known[step.target].candidate.operator]


@SETTINGS
@given(situations())
def test_steps_of_a_file_follow_each_other_by_version(situation):
    _, files, _ = situation
    steps = made(situation).steps
    for name, file in by_file(files).items():
        mine = [s for s in steps if s.file == name and s.action is not Action.RESTORE]
        assert [step.version for step in mine] == [file.version + n for n in range(len(mine))]


@SETTINGS
@given(situations())
def test_limits_of_a_cycle_hold(situation):
    *_, config = situation
    steps = made(situation).steps
    assert len(steps) <= config.steps_per_cycle
    assert len(steps) <= 1 or sum(step.size for step in steps) <= config.bytes_per_cycle


@SETTINGS
@given(situations())
def test_most_endangered_files_come_first(situation):
    _, files, _ = situation
    spares = [by_file(files)[step.file].health.spare for step in made(situation).steps]
    assert spares == sorted(spares)


@SETTINGS
@given(situations())
def test_slots_settle_between_moves_but_for_certain_loss_at_the_minimum(situation):
    _, files, config = situation
    for step in made(situation).steps:
        if step.action in {Action.RESTORE, Action.EXTEND, Action.SHRINK}:
            continue
        health = by_file(files)[step.file].health
        slot = health.slots[step.slot - 1]
        age = P.epoch_at(NOW) - P.epoch_at(slot.holding.moved)
        settled = not slot.holding.moved or age >= config.hysteresis
        certain = any(trigger.reason.is_final for trigger in slot.triggers)
        assert settled or (certain and health.spare <= 0)


@SETTINGS
@given(situations())
def test_good_slots_move_only_off_red_or_denied_nodes(situation):
    nodes, files, config = situation
    known = {node.candidate.node: node for node in nodes}
    for step in made(situation).steps:
        if step.action in {Action.EXTEND, Action.SHRINK}:
            continue
        slot = by_file(files)[step.file].health.slots[step.slot - 1]
        if slot.is_good:
            node = known[step.source]
            assert (node.red_since and config.leave_red) or (
                config.leave_denied and not node.candidate.allowed
            )
            assert known[step.target].candidate.healthy
            assert not known[step.target].red_since


@SETTINGS
@given(situations())
def test_copies_shrink_to_the_policy_when_all_that_stay_are_good_and_only_then(situation):
    _, files, _ = situation
    found = made(situation)
    for name, file in by_file(files).items():
        health, wanted = file.health, file.health.wanted
        stay, go = health.slots[:wanted], health.slots[wanted:]
        mine = [step for step in found.steps if step.file == name]
        waiting = [each for each in found.deferred if each.file == name]
        shrinks = [step.slot for step in mine if step.action is Action.SHRINK]
        is_due = health.redundancy.coding is Coding.COPIES and all(s.is_good for s in stay)
        if not go or not is_due:
            assert shrinks == []
            continue
        assert len(mine) == len(shrinks)
        assert {each.hold for each in waiting} <= {Hold.RATE}
        assert len(shrinks) + len(waiting) == len(go)
        assert shrinks == [len(health.slots) - n for n in range(len(shrinks))]


@SETTINGS
@given(situations())
def test_nothing_broken_is_passed_over_in_silence(situation):
    _, files, _ = situation
    found = made(situation)
    told = {(item.file, item.slot) for item in (*found.steps, *found.deferred)}
    for file in files:
        for slot in file.health.slots:
            assert slot.is_good or (file.health.file, slot.holding.slot) in told


@SETTINGS
@given(situations())
def test_a_cycle_with_something_to_do_does_something(situation):
    found = made(situation)
    waiting = [each for each in found.deferred if each.hold is Hold.RATE]
    assert found.steps or not waiting


@SETTINGS
@given(st.integers(1, 4), st.integers(2, 5), st.lists(st.integers(1, 9), max_size=12))
def test_a_flapping_network_moves_a_slot_at_most_once_in_so_many_epochs(total, hysteresis, falls):
    """Nodes fall silent and come back, epoch after epoch, as `falls` says."""
    config = MigrationConfig(hysteresis=hysteresis)
    slots = [HoldingFacts(n, nid(n), 1) for n in range(1, total + 1)]
    moves = {slot.slot: [] for slot in slots}
    for n, fallen in enumerate(falls):
        now = NOW + n * EPOCH
        silent = (Trigger(Reason.SILENT, 1, "silent"),)
        nodes = [
            PlanNode(
                Candidate(nid(k), "", "", 9, healthy=True),
                NodeState.ONLINE,
                k != fallen,
                silent if k == fallen else (),
            )
            for k in range(1, 10)
        ]
        health = [slot_health(s, silent if s.node == nid(fallen) else ()) for s in slots]
        policy = copies(total)
        file = PlanFile(
            FileHealth(FileId(bytes(32)), Tag(bytes(32)), policy, policy, tuple(health)), 1
        )
        for step in plan([file], nodes, P, now, config).steps:
            moves[step.slot].append(now)
            slots[step.slot - 1] = HoldingFacts(step.slot, step.target, 1, moved=now)
    for times in moves.values():
        gaps = [b - a for a, b in pairwise(times)]
        assert all(gap >= hysteresis * EPOCH for gap in gaps)


@SETTINGS
@given(
    st.lists(st.tuples(st.integers(1, 6), st.none() | st.integers(1, 6)), min_size=1, max_size=8)
)
def test_a_file_follows_its_policy_up_and_down_whatever_is_lost(changes):
    """Before each change of the policy one slot is lost, unless it is the only one."""
    nodes = [
        PlanNode(Candidate(nid(n), "", "", 9, healthy=True), NodeState.ONLINE, True)
        for n in range(1, 10)
    ]
    slots, version = [HoldingFacts(1, nid(1), 1)], 1
    for wanted, lost in changes:
        if lost is not None and lost <= len(slots) > 1:
            slots[lost - 1] = replace(slots[lost - 1], lost=5)
        for _ in range(2):  # what stays is made good, then the others go
            health = tuple(slot_health(slot, ()) for slot in slots)
            known = FileHealth(
                FileId(bytes(32)), Tag(bytes(32)), copies(len(slots)), copies(wanted), health
            )
            for step in plan([PlanFile(known, version)], nodes, P, NOW, MigrationConfig()).steps:
                assert step.version == version
                version += 1
                if step.action is Action.SHRINK:
                    assert slots.pop().slot == step.slot
                else:
                    slots[step.slot - 1 :] = [
                        HoldingFacts(step.slot, step.target, 1),
                        *slots[step.slot :],
                    ]
        assert [slot.slot for slot in slots] == list(range(1, wanted + 1))
        assert not any(slot.lost for slot in slots)

import pytest

from xdb.core.health import node_triggers, slot_health
from xdb.core.migration import (
    Action,
    Deferred,
    Hold,
    MigrationConfig,
    PlanFile,
    PlanNode,
    describe,
    plan,
)
from xdb.core.placement import Candidate, place
from xdb.errors import ConfigError
from xdb.model.health import (
    FileHealth,
    HoldingFacts,
    NodeFacts,
    Reason,
    Trigger,
)
from xdb.model.ids import FileId, NodeId, Tag
from xdb.model.registry import Coding, NodeState, Parameters, Redundancy

EPOCH = 3600
P = Parameters(start=0, epoch=EPOCH)
NOW = 1000 * EPOCH
CONFIG = MigrationConfig()
SIZE = 1000


def copies(total):
    return Redundancy(Coding.COPIES, 1, total)


def nid(number):
    return NodeId(number.to_bytes(20, "big"))


def node(number, *, state=NodeState.ONLINE, reachable=True, silent=False, **changed):
    """Node `number`, in a state since long ago."""
    facts = NodeFacts(nid(number), state, 1, 1, NOW, 0)
    triggers = node_triggers(P, facts, NOW)
    if silent:
        triggers = (*triggers, Trigger(Reason.SILENT, 1, "silent"))
    shown = {"operator": f"op{number}", "zone": "", "free": 10 * SIZE, "healthy": True}
    red_since = changed.pop("red_since", 0)
    return PlanNode(
        Candidate(nid(number), **shown | changed),
        state,
        reachable and not silent,
        triggers,
        red_since,
    )


def network(*special, count=6):
    """`count` nodes of which some are special."""
    known = {each.candidate.node: each for each in special}
    return [known.get(nid(number)) or node(number) for number in range(1, count + 1)]


def file(  # noqa: PLR0913  # each test says what is special
    nodes, *holders, name=1, redundancy=None, policy=None, version=7, is_live=True, **slots
):
    """A file whose slot i + 1 is on holders[i]; `s2={"lost": 5}` changes slot 2."""
    by_id = {each.candidate.node: each for each in nodes}
    health = []
    for slot, holder in enumerate(holders, 1):
        facts = HoldingFacts(slot, nid(holder), SIZE, **slots.get(f"s{slot}", {}))
        of_node = by_id[facts.node].triggers if facts.node in by_id else ()
        health.append(slot_health(facts, of_node))
    redundancy = redundancy or copies(len(holders))
    return PlanFile(
        FileHealth(
            FileId(name.to_bytes(32, "big")),
            Tag(bytes(32)),
            redundancy,
            policy or redundancy,
            tuple(health),
        ),
        version,
        is_live,
    )


def plan_of(nodes, *files, config=CONFIG, now=NOW):
    return plan(files, nodes, P, now, config)


def only_step(nodes, *files, **options):
    found = plan_of(nodes, *files, **options)
    assert found.deferred == ()
    (step,) = found.steps
    return step


def only_hold(nodes, *files, **options):
    found = plan_of(nodes, *files, **options)
    assert found.steps == ()
    (deferred,) = found.deferred
    return deferred.hold


LOST = {"lost": 5}
DAMAGED = {"damaged": NOW - 60}


# ------------------------------------------------------------------ which action


def test_a_good_file_needs_nothing():
    nodes = network()
    found = plan_of(nodes, file(nodes, 1, 2, 3))
    assert (found.steps, found.deferred) == ((), ())


def test_damage_on_a_reachable_node_is_restored_in_place():
    nodes = network()
    step = only_step(nodes, file(nodes, 1, 2, 3, s2=DAMAGED))
    assert (step.action, step.slot, step.source, step.target) == (Action.RESTORE, 2, nid(2), nid(2))


def test_damage_waits_for_a_node_that_cannot_be_reached_just_now():
    nodes = network(node(2, reachable=False))
    assert only_hold(nodes, file(nodes, 1, 2, 3, s2=DAMAGED)) is Hold.WAITING
    nodes = network(node(2, state=NodeState.OFFLINE))
    assert only_hold(nodes, file(nodes, 1, 2, 3, s2=DAMAGED)) is Hold.WAITING


def test_damage_that_could_not_be_restored_in_time_is_moved_away():
    nodes = network()
    step = only_step(nodes, file(nodes, 1, 2, 3, s2={"damaged": NOW - CONFIG.restore_for}))
    assert step.action is Action.MOVE
    assert step.target not in {nid(1), nid(2), nid(3)}


def test_damage_on_a_draining_node_is_not_restored_there():
    nodes = network(node(2, state=NodeState.DRAINING))
    step = only_step(nodes, file(nodes, 1, 2, 3, s2=DAMAGED))
    assert step.action is Action.MOVE


def test_two_damaged_copies_restore_each_other():
    nodes = network(count=2)
    found = plan_of(nodes, file(nodes, 1, 2, s1=DAMAGED, s2=DAMAGED))
    assert [step.action for step in found.steps] == [Action.RESTORE] * 2


def test_a_lost_slot_is_made_again_and_the_same_node_may_have_it():
    nodes = network(count=3)
    step = only_step(nodes, file(nodes, 1, 2, 3, s2=LOST))
    assert (step.action, step.source, step.target) == (Action.MOVE, nid(2), nid(2))


@pytest.mark.parametrize(
    "gone",
    [
        node(2, silent=True),
        node(2, state=NodeState.LEFT),
        node(2, state=NodeState.LEFT, reachable=False),
    ],
)
def test_what_sat_on_a_silent_or_left_node_is_made_again_elsewhere(gone):
    nodes = network(gone)
    step = only_step(nodes, file(nodes, 1, 2, 3))
    assert step.action is Action.MOVE
    assert step.target in {nid(4), nid(5), nid(6)}


def test_a_draining_node_hands_over_while_it_is_alive():
    nodes = network(node(2, state=NodeState.DRAINING))
    assert only_step(nodes, file(nodes, 1, 2, 3)).action is Action.HANDOVER
    nodes = network(node(2, state=NodeState.DRAINING, reachable=False))
    assert only_step(nodes, file(nodes, 1, 2, 3)).action is Action.MOVE


def test_the_only_copy_is_handed_over():
    nodes = network(node(1, state=NodeState.DRAINING))
    step = only_step(nodes, file(nodes, 1))
    assert (step.action, step.source) == (Action.HANDOVER, nid(1))


def test_a_doubtful_copy_is_handed_over_when_there_is_no_other_source():
    doubtful = PlanNode(
        node(1).candidate, NodeState.ONLINE, True, (Trigger(Reason.MISSED, 1, "missed"),)
    )
    nodes = network(doubtful)
    found = plan_of(nodes, file(nodes, 1, 2, s2=LOST))
    assert {(step.slot, step.action) for step in found.steps} == {
        (1, Action.HANDOVER),
        (2, Action.MOVE),
    }


def test_without_enough_sources_nothing_is_made():
    coded = Redundancy(Coding.ERASURE, 2, 3)
    nodes = network(node(1, silent=True))
    found = plan_of(nodes, file(nodes, 1, 2, 3, redundancy=coded, s2=LOST))
    assert found.steps == ()
    assert [each.hold for each in found.deferred] == [Hold.NO_SOURCE] * 2
    assert "2 other slots are needed to make it again, 1 can be read" in found.deferred[0].sentence


def test_a_lost_only_copy_has_no_source():
    nodes = network()
    assert only_hold(nodes, file(nodes, 1, s1=LOST)) is Hold.NO_SOURCE


# ------------------------------------------------------------------ red and denied nodes


def test_good_slots_leave_red_nodes_for_healthy_ones_only():
    red = node(2, red_since=5)
    nodes = network(red)
    step = only_step(nodes, file(nodes, 1, 2, 3))
    assert (step.action, step.cause) == (Action.HANDOVER, f"node {nid(2).hex()} is red")
    nodes = network(red, *[node(n, healthy=False) for n in (4, 5, 6)])
    assert only_hold(nodes, file(nodes, 1, 2, 3)) is Hold.NO_TARGET
    assert plan_of(nodes, file(nodes, 1, 2, 3), config=MigrationConfig(leave_red=False)).steps == ()


def test_a_red_node_is_left_only_after_the_grace():
    nodes = network(node(2, red_since=NOW - 1))
    assert only_hold(nodes, file(nodes, 1, 2, 3)) is Hold.GRACE


def test_nothing_leaves_a_red_node_while_the_file_is_broken():
    nodes = network(node(2, red_since=5))
    assert [step.slot for step in plan_of(nodes, file(nodes, 1, 2, 3, s3=LOST)).steps] == [3]


def test_red_nodes_take_what_nobody_else_can():
    nodes = network(node(4, red_since=5), count=4)
    nodes[1] = node(2, silent=True)
    assert only_step(nodes, file(nodes, 1, 2, 3)).target == nid(4)
    nodes.append(node(5))
    assert only_step(nodes, file(nodes, 1, 2, 3)).target == nid(5)


def test_denied_nodes_take_nothing_and_are_left_when_asked_for():
    nodes = network(node(2, allowed=False), node(4, allowed=False), node(5, allowed=False))
    assert plan_of(nodes, file(nodes, 1, 2, 3)).steps == ()
    step = only_step(nodes, file(nodes, 1, 2, 3), config=MigrationConfig(leave_denied=True))
    assert step.target == nid(6)


# ------------------------------------------------------------------ policies


def test_a_larger_policy_adds_copies_one_version_after_the_other():
    nodes = network()
    found = plan_of(nodes, file(nodes, 1, 2, policy=copies(4)))
    assert [(s.action, s.slot, s.version, s.source) for s in found.steps] == [
        (Action.EXTEND, 3, 7, None),
        (Action.EXTEND, 4, 8, None),
    ]
    assert len({nid(1), nid(2), *(step.target for step in found.steps)}) == 4


def test_a_slot_after_one_that_found_no_node_is_not_added():
    nodes = network(count=3)
    found = plan_of(nodes, file(nodes, 1, 2, policy=copies(6)))
    assert [step.slot for step in found.steps] == [3]
    assert [(each.slot, each.hold) for each in found.deferred] == [(4, Hold.NO_TARGET)]


def test_files_in_retention_are_kept_up_and_not_extended():
    nodes = network()
    found = plan_of(nodes, file(nodes, 1, 2, 3, policy=copies(4), s2=LOST, is_live=False))
    assert [step.action for step in found.steps] == [Action.MOVE]


def test_a_smaller_policy_drops_the_last_slots_one_version_after_the_other():
    nodes = network()
    found = plan_of(nodes, file(nodes, 1, 2, 3, 4, policy=copies(2)))
    assert found.deferred == ()
    assert [(s.action, s.slot, s.version, s.source, s.target, s.size) for s in found.steps] == [
        (Action.SHRINK, 4, 7, nid(4), nid(4), 0),
        (Action.SHRINK, 3, 8, nid(3), nid(3), 0),
    ]


@pytest.mark.parametrize(
    "last",
    [
        node(3, state=NodeState.DRAINING),
        node(3, state=NodeState.LEFT, reachable=False),
        node(3, silent=True),
        node(3, red_since=5),
    ],
)
def test_a_slot_above_the_policy_is_dropped_whatever_its_node_is(last):
    nodes = network(last)
    step = only_step(nodes, file(nodes, 1, 2, 3, policy=copies(2)))
    assert (step.action, step.slot) == (Action.SHRINK, 3)


@pytest.mark.parametrize("bad", [LOST, DAMAGED])
def test_a_bad_slot_above_the_policy_is_dropped_and_not_made_good(bad):
    nodes = network()
    step = only_step(nodes, file(nodes, 1, 2, 3, policy=copies(2), s3=bad))
    assert (step.action, step.slot) == (Action.SHRINK, 3)


def test_a_slot_that_stays_is_made_good_before_the_last_one_goes():
    nodes = network()
    step = only_step(nodes, file(nodes, 1, 2, 3, policy=copies(2), s1=LOST))
    assert (step.action, step.slot) == (Action.MOVE, 1)
    found = plan_of(nodes, file(nodes, 1, 2, 3, policy=copies(2), s1=LOST, s2=DAMAGED))
    assert [(step.slot, step.action) for step in found.steps] == [
        (2, Action.RESTORE),
        (1, Action.MOVE),
    ]
    found = plan_of(nodes, file(nodes, 1, 2, 3, policy=copies(2), s1=LOST, s3=LOST))
    assert [(step.slot, step.action) for step in found.steps] == [(1, Action.MOVE)]
    assert [(each.slot, each.hold) for each in found.deferred] == [(3, Hold.SURPLUS)]


def test_the_last_slot_stays_while_another_may_come_back():
    nodes = network(draining_since(NOW - 599))
    assert only_hold(nodes, file(nodes, 1, 2, 3, policy=copies(2))) is Hold.GRACE


def test_files_in_retention_shrink():
    nodes = network()
    step = only_step(nodes, file(nodes, 1, 2, 3, policy=copies(2), is_live=False))
    assert step.action is Action.SHRINK


def test_another_coding_drops_no_slot():
    nodes = network()
    other = Redundancy(Coding.ERASURE, 2, 3)
    four = file(nodes, 1, 2, 3, 4, policy=other)
    assert only_hold(nodes, four) is Hold.FIXED
    coded = Redundancy(Coding.ERASURE, 2, 4)
    assert plan_of(nodes, file(nodes, 1, 2, 3, 4, redundancy=coded, policy=other)).steps == ()


def test_pieces_above_the_policy_are_not_made_good():
    nodes = network()
    coded, smaller = Redundancy(Coding.ERASURE, 2, 4), Redundancy(Coding.ERASURE, 2, 3)
    four = file(nodes, 1, 2, 3, 4, redundancy=coded, policy=smaller, s1=LOST)
    assert only_hold(nodes, four) is Hold.SURPLUS


def test_what_does_not_fit_into_a_cycle_is_dropped_in_a_later_one():
    nodes = network()
    four = file(nodes, 1, 2, 3, 4, policy=copies(2))
    found = plan_of(nodes, four, config=MigrationConfig(steps_per_cycle=1))
    assert [step.slot for step in found.steps] == [4]
    assert [(each.slot, each.hold) for each in found.deferred] == [(3, Hold.RATE)]


def test_a_slot_that_cannot_be_repaired_leaves_its_turn_to_another():
    nodes = network(node(2, reachable=False))
    found = plan_of(nodes, file(nodes, 1, 2, 3, policy=copies(2), s2=DAMAGED, s3=LOST))
    assert [(step.slot, step.action) for step in found.steps] == [(3, Action.MOVE)]
    assert [(each.slot, each.hold) for each in found.deferred] == [(2, Hold.WAITING)]


def test_a_surplus_piece_still_leaves_a_draining_node():
    nodes = network(node(3, state=NodeState.DRAINING))
    coded, smaller = Redundancy(Coding.ERASURE, 2, 4), Redundancy(Coding.ERASURE, 2, 3)
    step = only_step(nodes, file(nodes, 1, 2, 3, 4, redundancy=coded, policy=smaller))
    assert (step.action, step.slot) == (Action.HANDOVER, 3)


def test_nothing_leaves_a_red_node_while_there_are_slots_to_drop():
    nodes = network(node(2, red_since=5))
    found = plan_of(nodes, file(nodes, 1, 2, 3, policy=copies(2)))
    assert [step.action for step in found.steps] == [Action.SHRINK]


@pytest.mark.parametrize("policy", [copies(5), Redundancy(Coding.ERASURE, 2, 5)])
def test_erasure_coding_keeps_its_slots(policy):
    nodes = network()
    coded = Redundancy(Coding.ERASURE, 2, 3)
    assert only_hold(nodes, file(nodes, 1, 2, 3, redundancy=coded, policy=policy)) is Hold.FIXED


# ------------------------------------------------------------------ grace, hysteresis, rate


def draining_since(time):
    trigger = Trigger(Reason.DRAINING, time, "draining")
    return PlanNode(node(2).candidate, NodeState.DRAINING, True, (trigger,))


def test_what_may_pass_waits_for_the_grace_and_what_cannot_does_not():
    nodes = network(draining_since(NOW - 599))
    assert only_hold(nodes, file(nodes, 1, 2, 3)) is Hold.GRACE
    nodes = network(draining_since(NOW - 600))
    assert only_step(nodes, file(nodes, 1, 2, 3)).action is Action.HANDOVER
    nodes = network()
    assert only_step(nodes, file(nodes, 1, 2, 3, s2={"lost": NOW})).action is Action.MOVE


def test_a_slot_that_was_moved_lately_stays():
    nodes = network(node(2, silent=True))
    lately = {"moved": NOW - EPOCH}
    assert only_hold(nodes, file(nodes, 1, 2, 3, s2=lately)) is Hold.SETTLING
    assert only_step(nodes, file(nodes, 1, 2, 3, s2={"moved": NOW - 2 * EPOCH})).slot == 2


def test_damage_in_a_slot_that_was_moved_lately_is_restored():
    nodes = network()
    slot = DAMAGED | {"moved": NOW - 1}
    assert only_step(nodes, file(nodes, 1, 2, 3, s2=slot)).action is Action.RESTORE


def test_only_certain_loss_at_the_minimum_does_not_wait_for_the_slot_to_settle():
    lately = {"moved": NOW - 60}
    nodes = network(node(2, silent=True))
    assert only_hold(nodes, file(nodes, 1, 2, s2=lately)) is Hold.SETTLING
    nodes = network()
    assert only_hold(nodes, file(nodes, 1, 2, 3, s2=LOST | lately)) is Hold.SETTLING
    assert only_step(nodes, file(nodes, 1, 2, s2=LOST | lately)).action is Action.MOVE


def test_a_cycle_does_so_many_steps_and_the_most_endangered_first():
    nodes = network()
    files = [
        file(nodes, 1, 2, 3, name=1, s1={"lost": 1}),
        file(nodes, 1, 2, 3, name=2, s1={"lost": 90}, s2={"lost": 90}),
        file(nodes, 1, 2, 3, name=3, s1={"lost": 2}),
        file(nodes, 1, 2, 3, name=4, policy=copies(4)),
    ]
    found = plan_of(nodes, *files, config=MigrationConfig(steps_per_cycle=3))
    assert [step.file[-1] for step in found.steps] == [2, 2, 1]
    assert [(each.file[-1], each.hold) for each in found.deferred] == [
        (3, Hold.RATE),
        (4, Hold.RATE),
    ]
    order = [step.file[-1] for step in plan_of(nodes, *files).steps]
    assert order == [2, 2, 1, 3, 4]


def test_a_cycle_moves_so_many_bytes_but_one_slot_at_least():
    nodes = network()
    files = [file(nodes, 1, 2, 3, name=n, s1={"lost": n}) for n in (1, 2, 3)]
    config = MigrationConfig(bytes_per_cycle=2 * SIZE)
    assert len(plan_of(nodes, *files, config=config).steps) == 2
    config = MigrationConfig(bytes_per_cycle=1)
    assert [step.file[-1] for step in plan_of(nodes, *files, config=config).steps] == [1]


def test_nothing_overtakes_what_does_not_fit_any_more():
    nodes = network()
    small, large = (file(nodes, 1, 2, 3, name=n, s1={"lost": n}) for n in (1, 2))
    third = file(nodes, 1, 2, 3, name=3, s1={"lost": 3})
    config = MigrationConfig(bytes_per_cycle=2 * SIZE - 1)
    found = plan_of(nodes, small, large, third, config=config)
    assert [step.file[-1] for step in found.steps] == [1]
    assert [each.hold for each in found.deferred] == [Hold.RATE] * 2


def test_limits_of_nothing_are_refused():
    with pytest.raises(ConfigError, match="nothing would be repaired"):
        MigrationConfig(steps_per_cycle=0)


# ------------------------------------------------------------------ targets


def test_targets_are_drawn_by_placement_from_file_slot_and_version():
    nodes = network(node(2, silent=True))
    step = only_step(nodes, file(nodes, 1, 2, 3, version=9))
    seed = step.file + (2).to_bytes(8, "big") + (9).to_bytes(8, "big")
    fit = [each.candidate for each in nodes if not each.triggers]
    assert (step.target,) == place(fit, 1, SIZE, seed, {nid(1), nid(3)})


@pytest.mark.parametrize(
    "unfit",
    [
        {"state": NodeState.OFFLINE},
        {"state": NodeState.DRAINING},
        {"reachable": False},
        {"silent": True},
        {"free": SIZE - 1},
        {"allowed": False},
    ],
)
def test_unfit_nodes_are_no_targets(unfit):
    nodes = network(node(4, **unfit), node(3, silent=True), count=4)
    assert only_hold(nodes, file(nodes, 1, 2, 3)) is Hold.NO_TARGET


def test_other_operators_come_first():
    same = [node(n, operator="op1") for n in (4, 5)]
    nodes = network(node(2, silent=True), *same)
    for name in range(20):
        assert only_step(nodes, file(nodes, 1, 2, 3, name=name)).target == nid(6)


def test_the_room_of_a_node_is_given_away_once():
    nodes = network(node(4, free=2 * SIZE), count=4)
    nodes[0] = node(1, silent=True)
    files = [file(nodes, 1, 2, 3, name=n) for n in (1, 2, 3)]
    found = plan_of(nodes, *files)
    assert len(found.steps) == 2
    (deferred,) = found.deferred
    assert f"with less than {SIZE} bytes free" in deferred.sentence
    assert deferred.sentence.startswith("silent; 1 storage nodes are needed, 0 of 3 known")
    assert deferred.sentence.endswith("; 1 more cannot take it now")


def test_a_later_step_is_what_another_repairer_plans_after_the_earlier_one():
    nodes = network(node(1, silent=True), node(2, silent=True))
    first, second = plan_of(nodes, file(nodes, 1, 2, 3)).steps
    assert (first.version, second.version) == (7, 8)
    after = file(nodes, int.from_bytes(first.target, "big"), 2, 3, version=8)
    assert only_step(nodes, after) == second


# ------------------------------------------------------------------ in words


def test_steps_and_what_waits_are_described():
    nodes = network(count=3)
    name = (1).to_bytes(32, "big").hex()
    cases = {
        f"restore slot 2 of file {name} (1000 bytes) in place on node {nid(2).hex()}: "
        f"replicas of the slot at node {nid(2).hex()} are damaged": {"s2": DAMAGED},
        f"make slot 2 of file {name} (1000 bytes) again for the same node {nid(2).hex()}: "
        f"node {nid(2).hex()} gave the slot up": {"s2": LOST},
    }
    for sentence, slots in cases.items():
        assert describe(only_step(nodes, file(nodes, 1, 2, 3, **slots))) == sentence
    added = describe(only_step(nodes, file(nodes, 1, 2, policy=copies(3))))
    assert added.startswith(f"add slot 3 of file {name}")
    dropped = describe(only_step(nodes, file(nodes, 1, 2, policy=copies(1))))
    assert dropped == (
        f"drop slot 2 of file {name} from node {nid(2).hex()}: the policy asks for 1 slot"
    )
    nodes = network(node(2, state=NodeState.DRAINING))
    assert describe(only_step(nodes, file(nodes, 1, 2, 3))).startswith("hand slot 2 of file")
    nodes = network(node(2, silent=True))
    assert describe(only_step(nodes, file(nodes, 1, 2, 3))).startswith("make slot 2 of file")
    whole = Deferred(FileId(bytes(32)), 0, Hold.FIXED, "it is so")
    assert describe(whole) == f"leave file {bytes(32).hex()}: it is so"

import pytest

from xdb.core.encoding import decode, encode
from xdb.core.health import (
    assess,
    changes,
    colour,
    expected_heartbeats,
    file_colour,
    node_triggers,
    score,
    show,
    slot_health,
    snapshot,
    summarize,
    system_colour,
    window_start,
)
from xdb.model.health import (
    Change,
    Colour,
    EpochVerdict,
    FileHealth,
    HoldingFacts,
    Kind,
    NodeFacts,
    NodeHealth,
    Reason,
    Silence,
    Subject,
    Summary,
    Tally,
    Verdict,
)
from xdb.model.ids import FileId, NodeId, Tag
from xdb.model.registry import Coding, NodeState, Parameters, Redundancy
from xdb.pb import owner_pb2

HOUR = 3600
START = 1_000 * HOUR
P = Parameters(start=START, epoch=HOUR, heartbeat=600, health_window=24, unreachable=HOUR)
NOW = START + 100 * HOUR
NODE = NodeId(b"n" * 20)
COPIES = Redundancy(Coding.COPIES, 1, 3)


def node(**changed):
    facts = {
        "node": NODE,
        "state": NodeState.ONLINE,
        "state_since": START,
        "registered": START,
        "last_heartbeat": NOW - 60,
        "heartbeats": 144,
    }
    return NodeFacts(**facts | changed)


def epochs(*verdicts):
    """Of the newest closed epochs, the last one the newest."""
    first = P.epoch_at(NOW) - len(verdicts)
    return tuple(EpochVerdict(first + n, verdict) for n, verdict in enumerate(verdicts))


def holding(slot=1, **changed):
    return HoldingFacts(slot=slot, node=NodeId(bytes([slot]) * 20), size=1000, **changed)


def file(*slots, redundancy=COPIES, policy=None):
    return FileHealth(
        FileId(b"f" * 32), Tag(b"t" * 32), redundancy, policy or redundancy, tuple(slots)
    )


def good(slot):
    return slot_health(holding(slot), ())


def lost(slot):
    return slot_health(holding(slot, lost=NOW), ())


def on(slot, **facts):
    name = NodeId(bytes([slot]) * 20)
    return slot_health(holding(slot), node_triggers(P, node(node=name, **facts), NOW))


def draining(slot):
    return on(slot, state=NodeState.DRAINING)


def reasons(facts):
    return [trigger.reason for trigger in node_triggers(P, facts, NOW)]


M, V, F, G = Verdict.MISSED, Verdict.VOID, Verdict.FAILED, Verdict.PROVED


# ------------------------------------------------------------------ scores


def test_colours_have_the_numbers_of_the_protocol():
    assert {f"HEALTH_{each.name}": each.value for each in Colour} == {
        name: number for name, number in owner_pb2.Health.items() if number
    }


@pytest.mark.parametrize(
    ("counts", "seen", "expected", "points"),
    [
        (Tally(), 0, 0, 1_000_000),
        (Tally(24, 0, 0), 144, 144, 1_000_000),
        (Tally(), 0, 10, 700_000),
        (Tally(0, 0, 5), 0, 0, 300_000),
        (Tally(0, 5, 5), 0, 10, 0),
        (Tally(1, 1, 1), 10, 10, 533_333),
        (Tally(24, 0, 0), 500, 144, 1_000_000),
    ],
)
def test_the_score_weighs_proofs_and_heartbeats(counts, seen, expected, points):
    assert score(counts, seen, expected) == points


def test_the_borders_belong_to_the_better_colour():
    # 0.7 * 11/14 + 0.3 is 0.85 only in exact arithmetic
    assert 0.7 * (11 / 14) + 0.3 * (1 / 1) != 0.85
    assert score(Tally(11, 0, 3), 1, 1) == 850_000
    assert colour(850_000) is Colour.GREEN
    assert colour(849_999) is Colour.YELLOW
    assert score(Tally(3, 4, 0), 5, 5) == 600_000
    assert colour(600_000) is Colour.YELLOW
    assert colour(599_999) is Colour.RED
    assert colour(0) is Colour.RED  # a node is never lost


def test_a_score_is_shown_rounded_down():
    assert show(849_999) == "0.84"
    assert show(1_000_000) == "1.00"
    assert show(50_000) == "0.05"


# ------------------------------------------------------------------ heartbeats and window


def test_the_window_begins_with_an_epoch_and_not_before_the_chain():
    assert window_start(P, NOW + 1799) == NOW - 24 * HOUR
    assert window_start(P, START + 5) == START


@pytest.mark.parametrize(
    ("registered", "elapsed", "expected"),
    [(0, 0, 0), (0, 1199, 0), (0, 1200, 1), (0, 6000, 9), (3000, 6000, 4), (9000, 6000, 0)],
)
def test_heartbeats_are_expected_from_registration_on_and_the_newest_may_be_late(
    registered, elapsed, expected
):
    assert expected_heartbeats(P, NOW + registered, NOW, NOW + elapsed) == expected


def test_a_chain_without_heartbeats_expects_none():
    silent = Parameters(start=0, heartbeat=0)
    assert expected_heartbeats(silent, 0, 0, 10**6) == 0


def test_a_new_node_is_green_and_turns_yellow_when_it_never_speaks():
    fresh = node(registered=NOW - 900, last_heartbeat=0, heartbeats=0)
    assert assess(P, fresh, NOW).colour is Colour.GREEN
    assert assess(P, fresh, NOW + 600).colour is Colour.YELLOW


def test_surplus_heartbeats_make_up_for_nothing():
    health = assess(P, node(heartbeats=10**6, verdicts=epochs(*[M] * 6, *[G] * 6)), NOW)
    assert health.heartbeats == health.expected == 143
    assert health.score == 650_000


def test_void_epochs_and_those_before_the_window_do_not_count():
    old = [EpochVerdict(epoch, M) for epoch in range(76)]
    health = assess(P, node(verdicts=(*old, *epochs(V, V, V, G))), NOW)
    assert health.tally == Tally(1, 0, 0)
    assert health.colour is Colour.GREEN


def test_a_dead_node_turns_yellow_and_red_within_the_window():
    def dead_for(hours):
        verdicts = [G] * (24 - hours) + [M] * hours
        return assess(P, node(heartbeats=144 - 6 * hours, verdicts=epochs(*verdicts)), NOW).colour

    assert [dead_for(hours) for hours in (0, 3, 4, 9, 10, 24)] == [
        Colour.GREEN,
        Colour.GREEN,
        Colour.YELLOW,
        Colour.YELLOW,
        Colour.RED,
        Colour.RED,
    ]


# ------------------------------------------------------------------ triggers


def test_a_node_that_does_what_it_should_triggers_nothing():
    assert reasons(node(verdicts=epochs(G, M, G))) == []
    assert slot_health(holding(), ()).is_good


@pytest.mark.parametrize(
    ("verdicts", "applies"),
    [
        ((M,), False),
        ((M, M), True),
        ((G, M, M), True),
        ((M, G, M), False),
        ((M, M, G), False),
        ((M, F, M), False),
        ((M, V, M), True),
        ((M, M, V, V), True),
        ((V, V), False),
        ((F, F), False),
    ],
)
def test_two_misses_in_a_row_trigger_and_void_epochs_say_nothing(verdicts, applies):
    assert reasons(node(verdicts=epochs(*verdicts))) == [Reason.MISSED] * applies


def test_misses_count_from_when_the_second_epoch_was_over():
    (trigger,) = node_triggers(P, node(verdicts=epochs(M, M)), NOW)
    assert trigger.since == NOW
    assert trigger.sentence == f"node {NODE.hex()} gave no proof in epochs 98 and 99"


@pytest.mark.parametrize(
    ("heard", "first", "latest", "silent"),
    [
        (2 * HOUR, 2 * HOUR, 60, True),
        (HOUR, HOUR, 0, True),
        (HOUR - 1, 2 * HOUR, 0, False),  # a heartbeat came
        (2 * HOUR, HOUR - 1, 0, False),  # not asked for long enough
        (2 * HOUR, 60, 60, False),  # asked once
        (9 * HOUR, 9 * HOUR, 5 * HOUR, False),  # nobody asked lately
    ],
)
def test_a_node_is_silent_without_heartbeats_and_answers_alike(heard, first, latest, silent):
    facts = node(last_heartbeat=NOW - heard, silence=Silence(NOW - first, NOW - latest))
    assert reasons(facts) == [Reason.SILENT] * silent


def test_a_node_that_answers_probes_is_not_silent_however_long_its_heartbeats_are_missing():
    assert reasons(node(last_heartbeat=0)) == []


def test_silence_is_never_a_failure():
    gone = node(
        last_heartbeat=NOW - 50 * HOUR,
        heartbeats=0,
        verdicts=epochs(*[M] * 24),
        silence=Silence(NOW - 50 * HOUR, NOW),
    )
    assert reasons(gone) == [Reason.SILENT, Reason.MISSED]
    assert assess(P, gone, NOW).tally == Tally(0, 0, 24)
    assert not any(trigger.reason.is_final for trigger in node_triggers(P, gone, NOW))


def test_leaving_and_having_left_trigger_and_offline_does_not():
    assert reasons(node(state=NodeState.DRAINING, state_since=NOW - 5)) == [Reason.DRAINING]
    assert reasons(node(state=NodeState.OFFLINE)) == []
    left = node(state=NodeState.LEFT, silence=Silence(START, NOW), last_heartbeat=START)
    assert reasons(left) == [Reason.LEFT]
    assert node_triggers(P, left, NOW)[0].since == START


def test_triggers_of_holding_and_node_are_listed_the_gravest_first():
    of_node = node_triggers(P, node(state=NodeState.DRAINING, verdicts=epochs(M, M)), NOW)
    slot = slot_health(holding(damaged=NOW), of_node)
    assert [t.reason for t in slot.triggers] == [Reason.DAMAGED, Reason.MISSED, Reason.DRAINING]
    # what is lost is not damaged besides
    slot = slot_health(holding(damaged=NOW, lost=NOW), ())
    assert [t.reason for t in slot.triggers] == [Reason.LOST]


# ------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        ([good(1), good(2), good(3)], Colour.GREEN),
        ([good(1), good(2), lost(3)], Colour.YELLOW),
        ([good(1), lost(2), lost(3)], Colour.RED),
        ([lost(1), lost(2), lost(3)], Colour.LOST),
        ([draining(1), draining(2), draining(3)], Colour.YELLOW),
        ([draining(1), lost(2), lost(3)], Colour.RED),
        ([on(1, state=NodeState.LEFT), lost(2), lost(3)], Colour.LOST),
    ],
)
def test_the_colour_of_a_file_with_three_copies(slots, expected):
    assert file_colour(file(*slots)) is expected


def test_the_minimum_of_erasure_coding_is_what_restores_it():
    coded = Redundancy(Coding.ERASURE, 2, 4)
    colours = [
        file_colour(
            file(*[good(n) for n in range(have)], *[lost(9)] * (4 - have), redundancy=coded)
        )
        for have in (4, 3, 2, 1)
    ]
    assert colours == [Colour.GREEN, Colour.YELLOW, Colour.RED, Colour.LOST]


def test_one_copy_is_green_while_it_is_good():
    assert file_colour(file(good(1), redundancy=Redundancy(Coding.COPIES, 1, 1))) is Colour.GREEN


def test_a_larger_policy_is_a_lack_and_a_smaller_one_a_relief():
    larger = Redundancy(Coding.COPIES, 1, 5)
    smaller = Redundancy(Coding.COPIES, 1, 2)
    assert file_colour(file(good(1), good(2), good(3), policy=larger)) is Colour.YELLOW
    assert file_colour(file(good(1), good(2), lost(3), policy=smaller)) is Colour.GREEN


def test_a_policy_that_a_file_cannot_follow_does_not_count():
    coded = Redundancy(Coding.ERASURE, 2, 3)
    slots = [good(1), good(2), good(3)]
    for policy in (Redundancy(Coding.ERASURE, 2, 5), Redundancy(Coding.COPIES, 1, 5)):
        assert file_colour(file(*slots, redundancy=coded, policy=policy)) is Colour.GREEN


def test_summaries_count_and_know_the_worst():
    counts = summarize([Colour.GREEN, Colour.RED, Colour.GREEN, Colour.YELLOW])
    assert counts == Summary(green=2, yellow=1, red=1)
    assert (counts.total, counts.worst) == (4, Colour.RED)
    assert summarize([]).worst is Colour.GREEN


def test_a_dead_node_alone_makes_the_system_yellow():
    assert system_colour(Summary(red=1), Summary(green=5)) is Colour.YELLOW
    assert system_colour(Summary(green=1), Summary(lost=1)) is Colour.LOST
    assert system_colour(Summary(green=1), Summary()) is Colour.GREEN


# ------------------------------------------------------------------ changes


def colours_of(found):
    return {subject: standing.colour for subject, standing in found.items()}


def test_a_loss_changes_file_namespace_and_system_with_cause_and_remedy():
    healthy = NodeHealth(NODE, 1_000_000, Colour.GREEN, Tally(), 0, 0)
    before = snapshot([healthy], [file(good(1), good(2), good(3))])
    after = snapshot([healthy], [file(good(1), good(2), lost(3))])
    found = changes(colours_of(before), after, NOW)
    assert [each.subject.kind for each in found] == [Kind.FILE, Kind.NAMESPACE, Kind.SYSTEM]
    assert found[0] == Change(
        NOW,
        Subject(Kind.FILE, b"f" * 32),
        Colour.GREEN,
        Colour.YELLOW,
        f"2 of 3 slots of file {(b'f' * 32).hex()} are good; "
        f"slot 3: node {'03' * 20} gave the slot up",
        "see what repair plans to do; it needs healthy nodes with room",
    )
    assert found[1].cause == "files: 1 yellow"
    assert decode(Change, encode(found[0])) == found[0]


def test_recovery_is_a_change_and_staying_is_none():
    bad = snapshot([], [file(good(1), lost(2), lost(3))])
    fine = snapshot([], [file(good(1), good(2), good(3))])
    assert changes(colours_of(bad), bad, NOW) == ()
    back = changes(colours_of(bad), fine, NOW)
    assert [(each.before, each.after) for each in back] == [(Colour.RED, Colour.GREEN)] * 3
    assert back[0].remedy == "nothing to do"


def test_what_is_new_was_green_and_what_is_gone_says_nothing():
    bad = snapshot([], [file(good(1), lost(2), lost(3))])
    nothing = snapshot([], [])
    assert [each.before for each in changes({}, bad, NOW)] == [Colour.GREEN] * 3
    assert [c.subject.kind for c in changes(colours_of(bad), nothing, NOW)] == [Kind.SYSTEM]


def test_a_lost_file_says_whether_anything_can_come_back():
    quiet = {"last_heartbeat": START, "silence": Silence(START, NOW)}
    waiting = snapshot([], [file(on(1, **quiet), lost(2), lost(3))])
    remedy = waiting[Subject(Kind.FILE, b"f" * 32)].remedy
    assert f"bring back node {'01' * 20};" in remedy
    gone = snapshot([], [file(on(1, state=NodeState.LEFT), lost(2), lost(3))])
    assert "upload the file again" in gone[Subject(Kind.FILE, b"f" * 32)].remedy


@pytest.mark.parametrize(
    ("counts", "beats", "remedy"),
    [(Tally(1, 5, 1), 10, "disk"), (Tally(1, 1, 5), 10, "prove"), (Tally(9, 0, 0), 0, "chain")],
)
def test_a_node_is_told_what_to_look_at(counts, beats, remedy):
    points = score(counts, beats, 10)
    found = snapshot([NodeHealth(NODE, points, colour(points), counts, beats, 10)], [])
    assert remedy in found[Subject(Kind.NODE, NODE)].remedy


def test_long_lists_are_cut():
    slots = [lost(n) for n in range(1, 8)]
    wide = Redundancy(Coding.COPIES, 1, 7)
    found = snapshot([], [file(*slots, redundancy=wide)])
    assert found[Subject(Kind.FILE, b"f" * 32)].cause.endswith("; and 4 more")


def test_a_row_of_misses_counts_from_its_second_epoch_however_long_it_gets():
    (trigger,) = node_triggers(P, node(verdicts=epochs(G, M, V, M, M, M)), NOW)
    assert trigger.since == NOW - 2 * HOUR
    assert trigger.sentence == f"node {NODE.hex()} gave no proof in epochs 98 and 99"


@pytest.mark.parametrize(
    ("unanswered", "latest", "silent"),
    [
        (4 * HOUR, 0, True),
        (4 * HOUR - 1, 0, False),
        (9 * HOUR, HOUR + 1, False),  # nobody asked lately
    ],
)
def test_who_answers_nobody_is_silent_in_the_end_whatever_it_tells_the_chain(
    unanswered, latest, silent
):
    first = NOW - latest - unanswered
    facts = node(last_heartbeat=NOW - 60, silence=Silence(first, NOW - latest))
    found = node_triggers(P, facts, NOW)
    assert [each.reason for each in found] == [Reason.SILENT] * silent
    assert [each.since for each in found] == [first + 4 * HOUR] * silent

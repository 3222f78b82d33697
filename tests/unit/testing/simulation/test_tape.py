from xdb.testing.simulation.tape import Tape, shrink


def test_a_seed_determines_every_stream():
    one, two, other = Tape(1).stream("a"), Tape(1).stream("a"), Tape(2).stream("a")
    first = one.draw(10_000)
    assert first == two.draw(1) + two.draw(4_000) + two.draw(0) + two.draw(5_999)
    assert first != other.draw(10_000)
    assert len(set(first)) == 256


def test_draws_of_one_purpose_shift_no_other_purpose():
    quiet, busy = Tape(1), Tape(1)
    busy.stream("ids").draw(1000)
    assert quiet.stream("faults").draw(16) == busy.stream("faults").draw(16)
    assert quiet.stream("a").stream("b").draw(8) != quiet.stream("a").draw(8)


def test_who_asks_for_a_stream_again_goes_on_where_it_was():
    tape = Tape(1)
    drawn = tape.stream("node").stream("ids").draw(8) + tape.stream("node").stream("ids").draw(8)
    assert drawn == Tape(1).stream("node/ids").draw(16)


def test_what_was_drawn_is_recorded_and_can_be_given_again():
    tape = Tape("seed")
    drawn = {name: tape.stream(name).draw(size) for name, size in (("b", 9_000), ("a", 3))}
    tape.stream("asked for and not used")
    assert tape.recorded() == drawn
    assert list(tape.recorded()) == ["a", "b"]
    assert tape.recorded(lambda name: name == "a") == {"a": drawn["a"]}
    again = Tape("other seed", drawn)
    assert again.stream("b").draw(9_000) == drawn["b"]
    assert again.recorded() == {"b": drawn["b"]}


def test_behind_a_shortened_stream_come_zeros_and_other_streams_stay():
    tape = Tape(1, {"faults": b"ab"})
    assert tape.stream("faults").draw(1) == b"a"
    assert tape.stream("faults").draw(3) == b"b\0\0"
    assert tape.stream("faults").draw(2) == b"\0\0"
    assert tape.stream("ids").draw(8) == Tape(1).stream("ids").draw(8)
    assert tape.recorded(lambda name: name == "faults") == {"faults": b"ab"}


def test_shrinking_leaves_what_the_failure_needs():
    tried = []

    def fails(tape):
        tried.append(tape)
        return 7 in tape["faults"] and 9 in tape["faults"][tape["faults"].index(7) :]

    recorded = {"faults": bytes(range(1, 200)), "schedule": bytes(range(100))}
    assert shrink(recorded, fails) == {"faults": bytes([7, 9]), "schedule": b""}
    assert len(tried) < 300


def test_shrinking_sets_to_zero_what_cannot_be_taken_out():
    assert shrink({"a": b"xyz7"}, lambda tape: tape["a"][3:4] == b"7") == {"a": bytes(3) + b"7"}


def test_shrinking_ends_after_so_many_tries():
    tried = []
    recorded = {"a": bytes(range(200)), "b": bytes(50)}
    assert shrink(recorded, lambda tape: bool(tried.append(tape)), tries=17) == recorded
    assert len(tried) == 17

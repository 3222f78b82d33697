import grpc
import pytest

from xdb import errors
from xdb.errors import (
    AuthError,
    IntegrityError,
    InvalidRequestError,
    MissingPiecesError,
    NotFoundError,
    OverloadedError,
    RefusedCallError,
    RejectedError,
    TimeoutExpiredError,
    UnavailableError,
    XdbError,
)
from xdb.model.refusal import Refusal
from xdb.pb import auth_pb2
from xdb.peer.failures import KINDS, LONGEST_MESSAGE, METADATA, cut, describe, is_lost, restore
from xdb.rpc.status import CODES, code_of

NOW = 1_800_000_000


def failed(error=None, *, code=None, details=None, raw=None):
    """A call as it fails at the caller, `error` having been raised by the server."""
    metadata = []
    if error is not None:
        raw = describe(error, NOW).SerializeToString()
        code, details = code_of(error), str(error)
    if raw is not None:
        metadata.append((METADATA, raw))
    return grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), grpc.aio.Metadata(*metadata), details=details
    )


def made(kind):
    if kind is RefusedCallError:
        return RefusedCallError(Refusal.EXPIRY, "what, what next")
    if kind is MissingPiecesError:
        return MissingPiecesError((3, 5), "what, what next")
    return kind("what, what next")


@pytest.mark.parametrize("kind", sorted(KINDS.values(), key=lambda kind: kind.__name__))
def test_every_error_arrives_as_itself(kind):
    found = restore(failed(made(kind)), "node n")
    assert type(found) is kind
    assert str(found) == "node n: what, what next"


def test_all_errors_are_known():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    here = {kind for kind in below(XdbError) if kind.__module__ == errors.__name__}
    assert set(KINDS.values()) == here


def test_fields_arrive():
    refused = restore(failed(RefusedCallError(Refusal.NAME_TAKEN, "taken")))
    assert refused.refusal == Refusal.NAME_TAKEN
    missing = restore(failed(MissingPiecesError((0, 7, 4_294_967_295), "missing")))
    assert missing.pieces == (0, 7, 4_294_967_295)
    many = restore(failed(MissingPiecesError(tuple(range(100_000)), "missing")))
    assert many.pieces == tuple(range(200))


def test_a_more_special_error_arrives_as_the_nearest_known_one():
    class FullMoonError(NotFoundError):
        pass

    assert type(restore(failed(FullMoonError("gone")))) is NotFoundError


def test_the_servers_clock_travels():
    assert describe(AuthError("late"), NOW + 0.9).server_time == NOW


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, UnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, TimeoutExpiredError),
        (grpc.StatusCode.CANCELLED, UnavailableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, OverloadedError),
        (grpc.StatusCode.UNIMPLEMENTED, RejectedError),
        (grpc.StatusCode.INTERNAL, UnavailableError),
        (grpc.StatusCode.UNKNOWN, UnavailableError),
        (grpc.StatusCode.PERMISSION_DENIED, AuthError),
    ],
)
def test_a_status_of_the_transport(code, kind):
    found = restore(failed(code=code, details="why"), "node n")
    assert type(found) is kind
    assert str(found) == "node n: why"


def test_a_message_that_is_too_large_does_not_get_smaller_by_waiting():
    error = failed(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED, details="Sent message larger than max (5 vs. 4)"
    )
    assert type(restore(error)) is InvalidRequestError


def test_a_status_without_words():
    assert str(restore(failed(code=grpc.StatusCode.UNAVAILABLE))) == "unavailable"


@pytest.mark.parametrize("raw", [b"\xff\xff", b"\x0a\x05"])
def test_a_detail_that_is_none(raw):
    found = restore(failed(code=grpc.StatusCode.UNAVAILABLE, details="why", raw=raw))
    assert type(found) is UnavailableError


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "", "Exception", "dataclass"])
def test_a_peer_cannot_choose_any_class(kind):
    raw = auth_pb2.ErrorDetail(kind=kind).SerializeToString()
    found = restore(failed(code=grpc.StatusCode.UNKNOWN, details="x", raw=raw))
    assert type(found) is RejectedError


@pytest.mark.parametrize("pieces", ["", "x", "1,,2", "-1", "1" * 30, "\u0661", "1 2"])
def test_numbers_that_are_none(pieces):
    detail = auth_pb2.ErrorDetail(kind="MissingPiecesError", fields={"pieces": pieces})
    found = restore(
        failed(code=grpc.StatusCode.UNKNOWN, details="x", raw=detail.SerializeToString())
    )
    assert found.pieces in {(), (1, 2)}


def test_messages_of_peers_are_made_fit_for_terminals():
    assert cut("a\x1b[31mred\nline\u202e") == "a [31mred line "
    assert len(cut("x" * 10_000)) == LONGEST_MESSAGE
    assert cut("a file of 1 \u00b5m") == "a file of 1 \u00b5m"


def test_only_a_lost_connection_is_lost():
    assert is_lost(failed(code=grpc.StatusCode.UNAVAILABLE, details="connection refused"))
    assert not is_lost(failed(UnavailableError("the store has failed")))
    assert not is_lost(failed(IntegrityError("bad")))
    assert not is_lost(failed(code=grpc.StatusCode.DEADLINE_EXCEEDED))


def test_every_status_says_roughly_what_the_class_says():
    """For callers who know gRPC but not us."""
    assert {code_of(made(kind)) for kind in KINDS.values()} <= set(CODES.values())
    assert code_of(OverloadedError("x")) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert code_of(MissingPiecesError((), "x")) is grpc.StatusCode.FAILED_PRECONDITION

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdb.pb import replica_pb2
from xdb.peer.framing import frame, unframe


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16383, 16384, 1 << 20, (1 << 21) + 1])
def test_frames_are_the_protobuf_messages(length):
    data = bytes(length)
    assert frame(1, data) == replica_pb2.Chunk(data=data).SerializeToString() or not length
    assert replica_pb2.Chunk.FromString(frame(1, data)).data == data
    assert replica_pb2.PushRequest.FromString(frame(2, data)).data == data
    assert replica_pb2.AcceptRequest.FromString(frame(2, data)).data == data


@given(st.binary(max_size=300))
def test_what_is_framed_is_unframed(data):
    found = unframe(2, frame(2, memoryview(data)))
    assert found == data


@given(st.binary(max_size=40))
def test_anything_else_is_left_to_the_parser(message):
    found = unframe(2, message)
    if found is not None:
        assert replica_pb2.PushRequest.FromString(message).data == bytes(found)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x12",
        b"\x12\x80",
        b"\x12\x80\x80\x80\x80\x80\x01",
        b"\x12\x05four",
        b"\x12\x03more",
        b"\x0a\x00",
    ],
)
def test_other_messages(message):
    assert unframe(2, message) is None

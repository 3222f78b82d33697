import pytest

from xdb.client.refs import file_ref
from xdb.errors import InvalidRequestError

ID = bytes(range(32))


def test_names():
    ref = file_ref("ns/a/b c")
    assert (ref.namespace, ref.name, ref.file) == ("ns", "a/b c", b"")


def test_names_are_composed():
    assert file_ref("ns/e\u0301").name == "\u00e9"


@pytest.mark.parametrize("text", [ID.hex(), ID.hex().upper(), "0x" + ID.hex()])
def test_ids(text):
    assert file_ref(text).file == ID
    assert file_ref(ID).file == ID


@pytest.mark.parametrize(
    "text",
    ["", "a", ID.hex()[1:], "/a", "ns/", "ns/../x", "ns//x", "ns/a\n", "../x", "./x", "a\0/b"],
)
def test_what_names_no_file(text):
    with pytest.raises(InvalidRequestError):
        file_ref(text)

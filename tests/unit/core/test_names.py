"""Which names are taken, and what the others are told."""

import unicodedata

import pytest

from xdb.core.names import MAX_NAME, check_name, check_namespace_name, parse_hex
from xdb.errors import InvalidRequestError


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a b",
        ".hidden",
        "...",
        "a/b/c.txt",
        "a/..b/c..",
        "März/日本語/🙂",
        "{}",
        "-rf",
        "x" * MAX_NAME,
        "ü" * (MAX_NAME // 2),
    ],
)
def test_good_names(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["a", "photos 2024", "...", "ü", "x" * MAX_NAME])
def test_good_namespace_names(name):
    assert check_namespace_name(name) == name


@pytest.mark.parametrize("check", [check_name, check_namespace_name])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("a\0b", "control characters"),
        ("a\nb", "control characters"),
        ("a\x7f", "control characters"),
        ("a\x9b31m", "control characters"),
        ("a\u2028b", "control characters"),
        ("a\udc80", "control characters"),
        ("x" * (MAX_NAME + 1), "256 bytes"),
        ("ü" * MAX_NAME, "510 bytes"),
        (".", r"'\.'"),
        ("..", r"'\.\.'"),
    ],
)
def test_bad_names(check, name, why):
    with pytest.raises(InvalidRequestError, match=why):
        check(name)


@pytest.mark.parametrize(
    "name", ["/", "/a", "a/", "a//b", "../a", "a/..", "a/../b", "./a", "a/./b", "a/."]
)
def test_file_names_have_no_empty_or_dotted_parts(name):
    with pytest.raises(InvalidRequestError, match="has a part"):
        check_name(name)


def test_namespace_names_have_no_slash():
    with pytest.raises(InvalidRequestError, match="must not contain '/'"):
        check_namespace_name("a/b")


@pytest.mark.parametrize("check", [check_name, check_namespace_name])
def test_what_looks_the_same_is_the_same(check):
    typed = unicodedata.normalize("NFD", "März")
    assert typed != "März"
    assert check(typed) == "März"


def test_length_counts_after_composing():
    decomposed = unicodedata.normalize("NFD", "ü" * 127)
    assert check_name(decomposed) == "ü" * 127


def test_long_names_are_quoted_in_part():
    with pytest.raises(InvalidRequestError) as caught:
        check_name("x" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["00ff", "0x00ff", "00FF", "0x00fF"])
def test_hexadecimal(text):
    assert parse_hex(text, 2, "file id") == b"\x00\xff"


@pytest.mark.parametrize(
    "text", ["", "0x", "00f", "00fff", "00fg", " 00f", "00f\n", "0x0x", "00_f", "\u0660" * 4]
)
def test_other_text_is_no_hexadecimal(text):
    with pytest.raises(InvalidRequestError, match="no file id: it takes 4 hexadecimal digits"):
        parse_hex(text, 2, "file id")

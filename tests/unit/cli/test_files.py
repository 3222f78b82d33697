"""Verbs about files."""

import hashlib
import os

import pytest

from xdb.errors import IntegrityError, OverloadedError, PlacementError

DATA = bytes(range(256)) * 40
HEX = "0123456789abcdef"

FILE_KEYS = [
    "file", "namespace", "name", "description", "size", "published", "expiry", "deleted", "gone",
    "status", "redundancy", "slots", "root", "version", "health", "media_type", "extra", "digest",
    "slices", "slice_size",
]  # fmt: skip


@pytest.fixture
def file(xdb, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(DATA)
    return xdb("upload", path, "ns", "--json").json


def is_hex(text, width):
    return len(text) == 2 * width and set(text) <= set(HEX)


def is_time(text):
    return len(text) == len("2027-01-31T12:00:00Z") and text[10] + text[-1] == "TZ"


# ---------------------------------------------------------------- upload


def test_upload_json(file):
    assert list(file) == FILE_KEYS
    assert is_hex(file["file"], 32)
    assert is_hex(file["root"], 32)
    assert file["digest"] == hashlib.sha256(DATA).hexdigest()
    assert is_time(file["published"])
    assert is_time(file["expiry"])
    assert file["deleted"] is None
    assert (file["namespace"], file["name"], file["size"]) == ("ns", "a.txt", len(DATA))
    assert (file["status"], file["health"], file["version"]) == ("live", "green", 1)
    assert file["redundancy"] == {"coding": "copies", "required": 1, "total": 3}
    assert list(file["slots"][0]) == ["slot", "node", "address", "state"]
    assert file["slots"][0]["state"] == "online"
    assert is_hex(file["slots"][0]["node"], 20)
    assert (file["media_type"], file["extra"]) == ("text/plain", {})


def test_upload_says_what_it_did(xdb, tmp_path):
    (tmp_path / "b").write_bytes(DATA)
    done = xdb("upload", "b", "ns/c/d", "--expires", "2100-01-01", "--wait", "final")
    assert done.out == "ns/c/d: 10.0 KiB on 3 nodes, final\n"
    assert "c/d: stored" in done.err
    assert "expires 2100-01-01" in done.err
    assert "\x1b" not in done.out + done.err


def test_quiet_upload(xdb, tmp_path):
    (tmp_path / "b").write_bytes(DATA)
    assert xdb("upload", "b", "ns", "-q").err == ""


def test_upload_of_standard_input(xdb):
    xdb("upload", "-", "ns/typed", stdin=DATA)
    assert xdb("download", "ns/typed", "-").raw == DATA
    done = xdb.run("upload", "-", "ns", stdin=DATA)
    assert done.code == 2
    assert "standard input has no name: write ns/NAME" in done.err


def test_names_that_begin_with_a_dash(xdb, tmp_path):
    (tmp_path / "-rf").write_bytes(DATA)
    xdb("upload", "--", "-rf", "ns")
    assert xdb("ls", "ns", "--json").json["files"][0]["name"] == "-rf"
    xdb("download", "--", "ns/-rf", "-x")
    assert (tmp_path / "-x").read_bytes() == DATA


@pytest.mark.usefixtures("file")
def test_upload_of_a_taken_name(xdb):
    done = xdb.run("upload", "a.txt", "ns")
    assert done.code == 4
    assert done.err.startswith("error: ns/a.txt exists")
    xdb("upload", "a.txt", "ns", "--replace")


def test_upload_into_no_namespace(xdb, tmp_path):
    (tmp_path / "b").touch()
    done = xdb.run("upload", "b", "nowhere")
    assert done.code == 3
    assert "xdb-cli ns create nowhere" in done.err


@pytest.mark.parametrize("target", ["ns/../b", "ns//b", "../ns", "ns/b/", "", "/b", "ns/\x1b[2J"])
def test_upload_to_tricky_names(xdb, tmp_path, target):
    (tmp_path / "b").touch()
    done = xdb.run("upload", "b", target)
    if target == "ns/b/":
        assert done.code == 2
    assert done.code in {2, 3}
    assert "\x1b" not in done.err


@pytest.mark.parametrize("when", ["5", "yesterday", "0d", "2000-01-01", "-3d", "9999999999999w"])
def test_upload_until_no_time(xdb, tmp_path, when):
    (tmp_path / "b").touch()
    done = xdb.run("upload", "b", "ns", f"--expires={when}")
    assert done.code == 2
    assert "error:" in done.err


def test_a_broken_upload_says_how_to_go_on(xdb, owner, tmp_path):
    (tmp_path / "b c").write_bytes(DATA * 500)
    owner.script.break_upload = [(1 << 20, PlacementError("no other node is usable: add some"))]
    done = xdb.run("upload", "b c", "ns")
    assert done.code == 8
    upload = owner.uploads[0].upload.hex()
    assert f"xdb-cli upload 'b c' 'ns/b c' \\\n    --resume {upload}" in done.err
    xdb("upload", "b c", "ns", "--resume", upload)
    assert owner.uploads[1].upload.hex() == upload


def test_upload_options_reach_the_owner(xdb, owner, tmp_path):
    (tmp_path / "b").touch()
    xdb("upload", "b", "ns", "--description", "words", "--type", "x/y", "--slice-size", "64KiB")
    header = owner.uploads[0]
    assert (header.description, header.media_type, header.slice_size) == ("words", "x/y", 65536)


# ---------------------------------------------------------------- directories


@pytest.fixture
def tree(tmp_path):
    for name in ("a", "b/c"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "tree"


@pytest.mark.usefixtures("tree")
def test_directory(xdb):
    done = xdb("upload", "tree", "ns")
    assert done.out == "tree: 2 uploaded\n"
    assert xdb("download", "ns/tree/b/c", "-").raw == b"b/c"
    assert xdb("upload", "tree", "ns", "--skip-same").out == "tree: 2 unchanged\n"


def test_directory_json(xdb, tree):
    (tree / "link").symlink_to("a")
    done = xdb("upload", "tree", "ns/x", "--json")
    found = {line["name"]: line for line in done.lines}
    assert {name: line["outcome"] for name, line in found.items()} == {
        "x/a": "uploaded",
        "x/b/c": "uploaded",
        "x/link": "skipped",
    }
    assert list(found["x/a"]) == ["path", "name", "outcome", "file", "error"]
    assert list(found["x/a"]["file"]) == FILE_KEYS
    assert done.err == ""


def test_a_directory_done_in_part(xdb, tree):
    (tree / "bad\nname").touch()
    done = xdb.run("upload", "tree", "ns")
    assert done.code == 11
    assert done.out == "tree: 2 uploaded, 1 failed\n"
    assert "failed: tree/bad\ufffdname:" in done.err


# ---------------------------------------------------------------- download


@pytest.mark.usefixtures("file")
def test_download(xdb, tmp_path):
    done = xdb("download", "ns/a.txt", "copy")
    assert (tmp_path / "copy").read_bytes() == DATA
    assert done.out == "copy: 10.0 KiB, SHA-256 verified\n"


def test_download_into_a_directory(xdb, tmp_path, file):
    (tmp_path / "into").mkdir()
    xdb("download", "ns/a.txt", "into")
    assert (tmp_path / "into/a.txt").read_bytes() == DATA
    done = xdb.run("download", file["file"], "into")
    assert done.code == 2
    assert "name the file to download to" in done.err
    (tmp_path / "a.txt").unlink()
    xdb("download", "ns/a.txt")
    assert (tmp_path / "a.txt").read_bytes() == DATA


def test_download_by_id(xdb, file, tmp_path):
    xdb("download", file["file"], "copy")
    assert (tmp_path / "copy").read_bytes() == DATA


@pytest.mark.usefixtures("file")
def test_download_json(xdb):
    found = xdb("download", "ns/a.txt", "copy", "--json").json
    assert list(found) == ["file", "offset", "length", "resumed", "target"]
    assert (found["offset"], found["length"], found["resumed"]) == (0, len(DATA), 0)
    assert found["target"] == "copy"
    done = xdb.run("download", "ns/a.txt", "-", "--json")
    assert done.code == 2


@pytest.mark.usefixtures("file")
def test_download_to_standard_output_is_nothing_but_the_file(xdb):
    done = xdb("download", "ns/a.txt", "-")
    assert done.raw == DATA
    assert done.err == ""


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(
    ("span", "start", "end"),
    [("5-9", 5, 10), ("100-", 100, None), ("1KiB+2KiB", 1024, 3072), ("0+0", 0, 0)],
)
def test_ranges(xdb, span, start, end):
    assert xdb("download", "ns/a.txt", "-", "--range", span).raw == DATA[start:end]


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("span", ["", "-", "9-5", "a-b", "5", "1.5.2-3"])
def test_what_is_no_range(xdb, span):
    done = xdb.run("download", "ns/a.txt", "-", "--range", span)
    assert done.code == 2
    assert "FIRST+LENGTH" in done.err


@pytest.mark.usefixtures("file")
def test_a_file_that_is_there_stays(xdb, tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    done = xdb.run("download", "ns/a.txt", "mine")
    assert done.code == 4
    assert "--force" in done.err
    assert (tmp_path / "mine").read_bytes() == b"mine"
    xdb("download", "ns/a.txt", "mine", "--force")
    assert (tmp_path / "mine").read_bytes() == DATA


@pytest.mark.usefixtures("file")
def test_a_broken_download_leaves_the_target_and_goes_on(xdb, owner, tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    owner.script.break_download = [(4000, IntegrityError("no holder has slice 3"))]
    assert xdb.run("download", "ns/a.txt", "mine", "-f").code == 7
    assert (tmp_path / "mine").read_bytes() == b"mine"
    done = xdb("download", "ns/a.txt", "mine", "-f")
    assert "were here already" in done.err
    assert (tmp_path / "mine").read_bytes() == DATA
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "mine"]  # noqa: PTH208  # names


@pytest.mark.usefixtures("file")
def test_wrong_bytes(xdb, owner, tmp_path):
    owner.script.spoil_download = [1]
    done = xdb.run("download", "ns/a.txt", "copy")
    assert done.code == 7
    assert not (tmp_path / "copy").exists()


# ---------------------------------------------------------------- what is there


@pytest.mark.usefixtures("file")
def test_ls(xdb):
    xdb("upload", "-", "ns/" + "long/" * 20 + "name", stdin=b"x")
    out = xdb("ls").out.splitlines()
    assert out[0].split() == ["NAME", "SIZE", "HEALTH", "PUBLISHED", "EXPIRES"]
    assert out[1].split() == [
        "ns/" + "long/" * 20 + "name",
        "1",
        "B",
        "green",
        "now",
        "in",
        "365",
        "days",
    ]
    assert out[2].startswith("ns/a.txt   ")
    assert xdb("ls", "ns").out.splitlines()[2].startswith("a.txt   ")
    assert not any(line != line.rstrip() for line in out)
    assert "\x1b" not in "".join(out)


def test_ls_json_page_by_page(xdb, owner):
    owner.answers.page = 2
    for name in "abcde":
        xdb("upload", "-", f"ns/{name}", stdin=b"")
    found = xdb("ls", "--limit", "3", "--json").json
    assert list(found) == ["files", "next"]
    assert [file["name"] for file in found["files"]] == list("edc")
    assert list(found["files"][0]) == FILE_KEYS
    rest = xdb("ls", "--limit", "3", "--after", found["next"], "--json").json
    assert ([file["name"] for file in rest["files"]], rest["next"]) == (list("ba"), None)
    assert len(xdb("ls", "--all", "--json").json["files"]) == 5
    done = xdb("ls", "--limit", "1")
    assert "there are more: --all" in done.err
    assert xdb.run("ls", "--after", "xyz").code == 2


def test_ls_of_nothing(xdb):
    done = xdb("ls", "ns")
    assert (done.out, done.err) == ("", "no files in ns\n")
    assert xdb("ls", "--json").json == {"files": [], "next": None}
    assert xdb.run("ls", "nowhere").code == 3
    assert xdb.run("ls", "--expired", "--deleted").code == 2


@pytest.mark.usefixtures("file")
def test_ls_expired_and_deleted(xdb, owner):
    xdb("rm", "-y", "ns/a.txt")
    assert [f["name"] for f in xdb("ls", "--deleted", "--json").json["files"]] == ["a.txt"]
    assert "GONE" in xdb("ls", "--deleted").out
    assert xdb("ls", "--json").json["files"] == []
    xdb("undelete", "ns/a.txt")
    owner.world.files[0].expiry = owner.world.now - 5
    assert [f["name"] for f in xdb("ls", "--expired", "--json").json["files"]] == ["a.txt"]


@pytest.mark.usefixtures("file")
def test_ls_by_time(xdb):
    assert len(xdb("ls", "--since", "1h", "--json").json["files"]) == 1
    assert len(xdb("ls", "--until", "2020-01-01", "--json").json["files"]) == 0
    assert xdb.run("ls", "--since", "soon").code == 2


@pytest.mark.usefixtures("file")
def test_ls_long(xdb, file):
    lines = xdb("ls", "-l").out.splitlines()
    assert lines[2] == f"  {file['file']}"
    assert max(map(len, lines)) <= 80


def test_info(xdb, file):
    out = xdb("info", "ns/a.txt").out
    for expected in (file["file"], file["digest"], "10.0 KiB (10,240 bytes)", "in 365 days"):
        assert expected in out
    lines = out.splitlines()
    assert lines[0] == "ns/a.txt"
    assert f"   1  {file['slots'][0]['node']}  127.0.0.1:7401  online" in lines
    assert max(map(len, lines)) <= 80
    assert xdb("info", file["file"], "--json").json == file


def test_life_of_a_file(xdb, owner, file):
    done = xdb("rm", "ns/a.txt")
    assert done.out == "ns/a.txt: deleted\n"
    assert f"in 7 days, it comes back with:\n  xdb-cli undelete {file['file']}" in done.err
    assert xdb.run("download", "ns/a.txt", "-").code == 10
    assert xdb.run("rm", "ns/a.txt").code == 10
    assert xdb("undelete", file["file"], "--json").json["status"] == "live"
    assert xdb.run("undelete", "ns/a.txt").code == 4
    owner.world.files[0].expiry = owner.world.now - 1
    assert xdb.run("download", "ns/a.txt", "-").code == 10
    assert "in 30 days" in xdb("renew", "ns/a.txt", "--expires", "30d").out
    assert xdb("download", "ns/a.txt", "-").raw == DATA


def test_rm_of_several(xdb):
    for name in "abc":
        xdb("upload", "-", f"ns/{name}", stdin=b"")
    done = xdb.run("rm", "ns/a", "ns/nothing", "ns/b")
    assert done.code == 11
    assert done.out == "ns/a: deleted\nns/b: deleted\n"
    assert "failed: ns/nothing: there is no file ns/nothing" in done.err
    assert xdb.run("rm", "ns/x", "ns/y").code == 3
    lines = xdb.run("rm", "ns/c", "ns/y", "--json").lines
    assert lines[0]["status"] == "deleted"
    assert lines[1]["error"]["kind"] == "NotFoundError"


def test_mv(xdb, file):
    done = xdb("mv", "ns/a.txt", "ns/b/c", "--description", "words")
    assert done.out == "ns/a.txt is ns/b/c now\n"
    found = xdb("info", "ns/b/c", "--json").json
    assert (found["file"], found["description"]) == (file["file"], "words")
    xdb("upload", "-", "ns/d", stdin=b"")
    assert xdb.run("mv", "ns/d", "ns/b/c").code == 4
    assert xdb.run("mv", "ns/d", "e").code == 2
    assert xdb.run("mv", "ns/d", "ns/../e").code == 2


@pytest.mark.usefixtures("file")
def test_mv_into_another_namespace(xdb):
    xdb("ns", "create", "other", "--copies", "1")
    xdb("mv", "ns/a.txt", "other/a")
    assert xdb("download", "other/a", "-").raw == DATA
    assert xdb("ls", "ns", "--json").json["files"] == []
    assert xdb("info", "other/a", "--json").json["media_type"] == "text/plain"
    assert xdb.run("mv", "other/a", "nowhere/a").code == 3
    assert xdb("download", "other/a", "-").raw == DATA


@pytest.mark.usefixtures("file")
def test_verify(xdb, owner):
    assert xdb("verify", "ns/a.txt").out == "ns/a.txt: 3 replicas on 3 nodes, all good\n"
    owner.world.files[0].damaged = {2}
    done = xdb.run("verify", "ns/a.txt")
    assert done.code == 7
    assert "1 of 3 replicas on 3 nodes not good" in done.out
    assert "pieces 0:\n    its bytes are not what was stored\n" in done.out
    done = xdb.run("verify", "ns/a.txt", "--json")
    assert done.code == 7
    assert list(done.lines[0]) == ["slot", "node", "piece", "good", "problem", "checked", "total"]
    assert done.lines[-1] == {"checked": 3, "good": 2, "bad": 1}


@pytest.mark.usefixtures("file")
def test_usage(xdb):
    xdb("ns", "create", "other")
    found = xdb("usage", "--json").json
    assert found["namespaces"][0] == {
        "namespace": "ns", "files": 1, "size": 10240, "stored": 30720, "expired": 0,
    }  # fmt: skip
    assert found["total"] == {"files": 1, "size": 10240, "stored": 30720, "expired": 0}
    lines = xdb("usage").out.splitlines()
    assert lines[0].split() == ["NAMESPACE", "FILES", "SIZE", "STORED", "EXPIRED"]
    assert lines[-1].split() == ["total", "1", "10.0", "KiB", "30.0", "KiB", "0"]


def test_a_busy_owner(xdb, owner):
    owner.script.refuse["Delete"] = [OverloadedError("busy: try again later")]
    done = xdb.run("rm", "ns/a")
    assert done.code == 6
    assert done.err == "error: busy: try again later\n"

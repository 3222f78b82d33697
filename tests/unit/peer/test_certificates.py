import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from xdb.errors import ConfigError, CorruptFileError
from xdb.peer.certificates import (
    Certificate,
    fingerprint,
    make_certificate,
    open_certificate,
    read_certificate,
    rename_certificate,
    write_certificate,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "transport.pem"


def test_a_certificate_is_what_grpc_takes():
    made = x509.load_pem_x509_certificate(make_certificate().certificate)
    key = made.public_key()
    assert isinstance(key.curve, ec.SECP256R1)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["xdb-node"]
    assert made.not_valid_after_utc.year == 9999
    assert made.not_valid_before_utc.year == 2000


def test_no_two_certificates_are_alike():
    assert make_certificate().fingerprint != make_certificate().fingerprint


def test_the_fingerprint_is_that_of_the_der_form():
    made = make_certificate()
    loaded = x509.load_pem_x509_certificate(made.certificate)
    assert made.fingerprint == loaded.fingerprint(SHA256())
    assert fingerprint(made.certificate) == made.fingerprint


def test_what_is_written_is_read(path):
    made = make_certificate()
    write_certificate(path, made)
    assert read_certificate(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_certificate_is_replaced(path):
    for _ in range(2):
        made = make_certificate()
        write_certificate(path, made)
    assert read_certificate(path) == made


def test_one_takes_the_place_of_another(path):
    write_certificate(path, make_certificate())
    following = path.with_name("following.pem")
    made = open_certificate(following)
    rename_certificate(following, path)
    assert read_certificate(path) == made
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_what_an_interrupted_write_left_is_in_nobodys_way(path):
    path.with_name(f".{path.name}.new").write_text("half of a")
    made = make_certificate()
    write_certificate(path, made)
    assert read_certificate(path) == made


def test_opening_makes_one_only_once(path):
    assert open_certificate(path) == open_certificate(path)


def test_a_missing_certificate(path):
    with pytest.raises(ConfigError, match="start the node once"):
        read_certificate(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o777])
def test_a_key_that_others_can_read(path, mode):
    write_certificate(path, make_certificate())
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600"):
        read_certificate(path)


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nxx"])
def test_a_damaged_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(CorruptFileError, match="restore its backup"):
        read_certificate(path)


def test_a_key_of_another_certificate(path):
    one, other = make_certificate(), make_certificate()
    write_certificate(path, Certificate(one.certificate, other.private_key))
    with pytest.raises(CorruptFileError, match="not that of the certificate"):
        read_certificate(path)

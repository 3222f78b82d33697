"""Transport certificates: self-signed, known to others by their hash alone.

P-256, because grpc takes neither secp256k1 nor Ed25519; one name, `xdb-node`, because
who a node is follows from its record and not from a name; dates that never matter,
because trust ends when the record names another hash.
"""

import datetime as dt
import os
import ssl
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xdb.errors import ConfigError, CorruptFileError
from xdb.model.ids import Digest

NAME = "xdb-node"
"""The only DNS name in every certificate."""

_FIRST_DAY = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_NO_LAST_DAY = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)  # RFC 5280 4.1.2.5
_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    private_key: bytes

    @property
    def fingerprint(self) -> Digest:
        """What the node's record says of it."""
        return fingerprint(self.certificate)


def make_certificate() -> Certificate:
    """A new key with its certificate; the randomness is that of the cryptography library."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FIRST_DAY)
        .not_valid_after(_NO_LAST_DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def fingerprint(certificate: bytes) -> Digest:
    """SHA-256 of the DER form of a PEM certificate."""
    return Digest(sha256(ssl.PEM_cert_to_DER_cert(certificate.decode())).digest())


def write_certificate(path: Path, certificate: Certificate) -> None:
    """Key and certificate in one file of mode 0600: whole and durable, or as before."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(certificate.private_key + certificate.certificate)
        file.flush()
        os.fsync(file.fileno())
    rename_certificate(draft, path)


def rename_certificate(path: Path, target: Path) -> None:
    """Puts the file at `path` in the place of `target`: durable on return, or as before."""
    path.rename(target)
    directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_certificate(path: Path) -> Certificate:
    """What `write_certificate` wrote; ConfigError when it is missing or others can read it."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: there is no certificate: start the node once, or restore its backup"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: the certificate cannot be read: {error}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{path}: others can read this private key (mode {stat.S_IMODE(mode):04o}): "
            f"chmod 600 {path}"
        )
    key, begin, certificate = data.partition(_BEGIN_CERTIFICATE)
    found = Certificate(begin + certificate, key)
    _check(path, found)
    return found


def open_certificate(path: Path) -> Certificate:
    """The certificate at `path`, made when there is none."""
    if not path.exists():
        write_certificate(path, make_certificate())
    return read_certificate(path)


def _check(path: Path, found: Certificate) -> None:
    try:
        certificate = x509.load_pem_x509_certificate(found.certificate)
        key = serialization.load_pem_private_key(found.private_key, None)
    except (ValueError, TypeError) as error:
        raise CorruptFileError(
            f"{path}: holds no private key with a certificate behind it: restore its backup, or "
            "remove it and start the node, which makes a new one and says so on the chain"
        ) from error
    if certificate.public_key() != key.public_key():
        raise CorruptFileError(
            f"{path}: the private key is not that of the certificate: restore its backup, or "
            "remove it and start the node, which makes a new one and says so on the chain"
        )

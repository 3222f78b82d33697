"""Identity keys: Ethereum V3 keystore files, and BIP-39 phrases behind them."""

import json
import os
import stat
import tempfile
from pathlib import Path

from xdb.core.keyring import derive
from xdb.core.signing import address_of, sign
from xdb.errors import ConfigError, CorruptFileError
from xdb.model.ids import Address, Digest, Signature
from xdb.store.directories import make_directory, sync_directory
from xdb.store.web3_secret import IV, SALT, UUID, decrypt_key, encrypt_key

SCRYPT_N = 1 << 18
"""Work factor of new keystores, the wallets' usual one: about a second to open."""

PATH = "m/44'/60'/0'/0/0"
"""The wallets' usual path from a phrase to the first key (BIP-44, coin type 60)."""

_LARGEST = 64 << 10
_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_WORDS = {16: 12, 32: 24}


class LocalKey:
    """A key in this process's memory: `Signer` and `Secrets`."""

    def __init__(self, private_key: bytes) -> None:
        self._private_key = private_key
        self._address = address_of(private_key)

    @property
    def address(self) -> Address:
        """See `Signer`."""
        return self._address

    def sign(self, digest: Digest) -> Signature:
        """See `Signer`."""
        return sign(self._private_key, digest)

    def derive(self, label: str, context: bytes = b"") -> bytes:
        """See `Secrets`."""
        return derive(self._private_key, label, context)

    def __repr__(self) -> str:
        return f"LocalKey({self._address.hex()})"


def write_keystore(
    path: Path,
    private_key: bytes,
    password: str,
    *,
    scrypt_n: int = SCRYPT_N,
    replace: bool = False,
) -> None:
    """Writes a keystore, mode 0600, whole or not at all; ConfigError when one is there.

    With `replace` the new file takes the place of the old one in a single step.
    """
    content = encrypt_key(
        private_key,
        address_of(private_key),
        password.encode(),
        scrypt_n=scrypt_n,
        random=os.urandom(SALT + IV + UUID),  # noqa: TID251  # salts of a file of this machine
    )
    make_directory(path.parent)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(scratch).replace(path)
        else:
            os.link(scratch, path)
    except FileExistsError as error:
        raise ConfigError(
            f"{path} exists and is not overwritten: choose another file, or move it away"
        ) from error
    finally:
        Path(scratch).unlink(missing_ok=True)
    sync_directory(path.parent)


def read_keystore(path: Path, password: str) -> bytes:
    """The private key in a keystore.

    ConfigError for a missing file or one that others may read, CorruptFileError when the
    password is wrong or the file damaged, which its checksum cannot tell apart.
    """
    data = _content(path)
    try:
        content = json.loads(data)
        key = decrypt_key(content, password.encode())
        if (said := content.get("address")) and _address(said) != address_of(key):
            raise ValueError("the key is not that of the address")  # the checksum spares the IV
    except (*_DAMAGED, MemoryError, OverflowError) as error:
        raise CorruptFileError(
            f"wrong password or damaged file: {path}: try the password again, else restore the "
            "file from a backup or recover the key from its phrase"
        ) from error
    return key


def change_password(path: Path, old: str, new: str, *, scrypt_n: int = SCRYPT_N) -> None:
    """Puts the key of a keystore under another password; a crash leaves the old or the new."""
    write_keystore(path, read_keystore(path, old), new, scrypt_n=scrypt_n, replace=True)


def keystore_address(path: Path) -> Address:
    """Whose key the keystore says it holds, without opening it."""
    try:
        return _address(json.loads(_content(path))["address"])
    except _DAMAGED as error:
        raise CorruptFileError(f"{path} is no keystore: restore it from a backup") from error


def new_phrase(entropy: bytes) -> str:
    """The BIP-39 phrase of 16 or 32 random bytes: 12 or 24 words."""
    from eth_account.hdaccount.mnemonic import Mnemonic  # noqa: PLC0415  # slow to import
    from eth_account.types import Language  # noqa: PLC0415

    if len(entropy) not in _WORDS:
        raise ValueError(f"{len(entropy)} bytes of entropy")
    return str(Mnemonic(Language.ENGLISH).to_mnemonic(entropy))


def key_of_phrase(phrase: str) -> bytes:
    """The private key behind a phrase; ConfigError when it is none."""
    from eth_account import Account  # noqa: PLC0415  # slow to import
    from eth_utils.exceptions import ValidationError  # noqa: PLC0415

    Account.enable_unaudited_hdwallet_features()
    try:
        account = Account.from_mnemonic(" ".join(phrase.split()), account_path=PATH)
    except (ValidationError, ValueError) as error:
        raise ConfigError(
            "this is no phrase: check the words, their order and their number (12 or 24)"
        ) from error
    return bytes(account.key)


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text.removeprefix("0x")))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such keystore: make one with `xdb-cli keys new`") from error
    except OSError as error:
        raise ConfigError(f"{path}: the keystore cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{path}: others can read this keystore (mode {stat.S_IMODE(mode):04o}): "
            f"chmod 600 {path}"
        )
    if len(content) > _LARGEST:
        raise CorruptFileError(f"{path} is too large for a keystore: restore it from a backup")
    return content

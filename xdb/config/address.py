"""Addresses, endpoints and identities as configuration files write them."""

from xdb.errors import ConfigError
from xdb.model.ids import Address, Digest
from xdb.model.registry import Endpoint

LARGEST_PORT = 65535


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[2001:db8::1]:port`."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit():
        raise ConfigError(f"{text!r} is not an address: write host:port, such as 127.0.0.1:7400")
    if int(port) > LARGEST_PORT:
        raise ConfigError(f"{text!r}: port {port} does not exist; the largest is {LARGEST_PORT}")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ConfigError(f"{text!r}: write an IPv6 host in brackets, such as [::1]:7400")
    return host.strip("[]"), int(port)


def parse_endpoint(text: str) -> Endpoint:
    """An endpoint written as `host:port#certificate hash`."""
    address, mark, certificate = text.partition("#")
    if not mark:
        raise ConfigError(
            f"{text!r} names no certificate: write host:port#hash with the SHA-256 that the "
            "server prints at its start"
        )
    split_address(address)
    return Endpoint(address, Digest(parse_hexadecimal(certificate, 32, "a certificate hash")))


def endpoint_text(endpoint: Endpoint) -> str:
    """What `parse_endpoint` reads."""
    return f"{endpoint.address}#{endpoint.certificate.hex()}"


def parse_identity(text: str) -> Address:
    """A principal's address: 40 hexadecimal digits, with or without 0x."""
    return Address(parse_hexadecimal(text.removeprefix("0x"), 20, "an identity"))


def parse_hexadecimal(text: str, width: int, what: str) -> bytes:
    """`width` bytes; ConfigError says that `text` is not `what`."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != width or len(text) != 2 * width:
        raise ConfigError(f"{text!r} is not {what}: {2 * width} hexadecimal digits are expected")
    return value

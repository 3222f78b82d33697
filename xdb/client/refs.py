"""How a file is named: `namespace/name`, its id in hexadecimal, or what the library gave."""

from xdb.client.records import FileInfo
from xdb.core.names import check_name, check_namespace_name, parse_hex
from xdb.errors import InvalidRequestError
from xdb.model.ids import WIDTHS, FileId
from xdb.pb import owner_pb2

Ref = str | bytes | FileInfo

_WIDTH = WIDTHS[FileId]


def file_ref(ref: Ref) -> owner_pb2.FileRef:
    """The reference as the owner node takes it; InvalidRequestError when it is none."""
    match ref:
        case FileInfo():
            return owner_pb2.FileRef(file=ref.file)
        case bytes():
            if len(ref) != _WIDTH:
                raise InvalidRequestError(f"a file id has {_WIDTH} bytes, not {len(ref)}")
            return owner_pb2.FileRef(file=ref)
        case str():
            return _of_text(ref)


def split_target(text: str) -> tuple[str, str]:
    """Namespace and name in `NAMESPACE[/NAME]`; the name is empty when not given."""
    namespace, _, name = text.partition("/")
    return check_namespace_name(namespace), check_name(name) if name else ""


def _of_text(text: str) -> owner_pb2.FileRef:
    namespace, slash, name = text.partition("/")
    if slash:
        return owner_pb2.FileRef(namespace=check_namespace_name(namespace), name=check_name(name))
    try:
        return owner_pb2.FileRef(file=parse_hex(text, _WIDTH, "file id"))
    except InvalidRequestError as error:
        raise InvalidRequestError(
            f"{text[:80]!r} names no file: write namespace/name, or a file id of "
            f"{2 * _WIDTH} hexadecimal digits"
        ) from error

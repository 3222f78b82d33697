"""Tables of a configuration file -> frozen dataclasses, checked key by key."""

import dataclasses
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from xdb.config.units import parse_amount, parse_duration, parse_size
from xdb.errors import ConfigError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: which file and key, and what its paths are relative to."""

    source: str
    directory: Path
    key: str = ""

    def under(self, name: str) -> "Place":
        """The place of a key inside this one."""
        return dataclasses.replace(self, key=f"{self.key}.{name}" if self.key else name)

    def error(self, problem: str) -> ConfigError:
        """A sentence that begins with the place."""
        return ConfigError(f"{self.source}: {self.key}: {problem}")


def read_table(
    kind: type[T], table: Mapping[str, object], place: Place, defaults: T | None = None
) -> T:
    """A `kind` filled from `table`; ConfigError names file, key and what is expected.

    What the table leaves out is taken from `defaults`, else from the class.
    """
    fields = {field.name: field for field in _fields(kind)}
    hints = get_type_hints(kind, include_extras=True)
    _refuse_unknown(table, list(fields), place)
    values: dict[str, object] = {}
    for name, field in fields.items():
        here = place.under(name)
        default = _default(field) if defaults is None else getattr(defaults, name)
        if name in table:
            values[name] = read_value(hints[name], table[name], here, default)
        elif default is not dataclasses.MISSING:
            values[name] = default
        elif dataclasses.is_dataclass(hints[name]):
            values[name] = read_table(_class(hints[name]), {}, here)
        else:
            raise here.error("is missing: add it")
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{place.source}: {place.key or 'top level'}: {error}") from error


def read_value(hint: object, value: object, place: Place, default: object = None) -> object:
    """One value as `hint` wants it; a table is completed from `default`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise place.error("must be a table: write [" + place.key + "] and its keys below")
        kind = _class(hint)
        return read_table(kind, value, place, default if isinstance(default, kind) else None)
    if origin in {Union, types.UnionType}:
        kinds = [kind for kind in arguments if kind is not type(None)]
        return read_value(kinds[0], value, place, default)
    if origin in {tuple, frozenset}:
        return _class(origin)(_sequence(arguments[0], value, place))
    if origin is Literal:
        return _choice(arguments, value, place)
    return _scalar(hint, value, place)


def leaves(kind: object, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every key of a configuration with its type, tables unfolded."""
    hints = get_type_hints(kind, include_extras=True)
    for field in _fields(kind):
        path = (*prefix, field.name)
        inner = _table_of(hints[field.name])
        if inner is not None:
            yield from leaves(inner, path)
        else:
            yield path, hints[field.name]


def _table_of(hint: object) -> object | None:
    options = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    return next((option for option in options if dataclasses.is_dataclass(option)), None)


def _fields(kind: object) -> tuple[dataclasses.Field[object], ...]:
    return tuple(field for field in dataclasses.fields(_class(kind)) if field.init)


def _class(kind: object) -> type[Any]:
    assert isinstance(kind, type)  # noqa: S101  # hints of dataclasses, checked by the callers
    return kind


def _default(field: dataclasses.Field[object]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _refuse_unknown(table: Mapping[str, object], known: list[str], place: Place) -> None:
    for name in table:
        if name not in known:
            raise place.under(name).error(f"unknown key{nearest(name, known)}")


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence about an unknown name: the likeliest known one, or all of them."""
    import difflib  # noqa: PLC0415  # only when something is wrong

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; possible here: {', '.join(known)}" if known else "; nothing is possible here"


def _sequence(hint: object, value: object, place: Place) -> tuple[object, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        raise place.error(f"must be a list, is {value!r}")
    return tuple(
        read_value(hint, item, place.under(str(index))) for index, item in enumerate(value)
    )


def _choice(options: tuple[object, ...], value: object, place: Place) -> str:
    if value not in options:
        raise place.error(f"is {value!r}, must be one of {', '.join(map(str, options))}")
    return str(value)


def _scalar(hint: object, value: object, place: Place) -> object:  # noqa: PLR0911  # one kind each
    if get_origin(hint) is Annotated:
        kind, unit = get_args(hint)[:2]
        return _quantity(kind, unit, value, place)
    if hint is Path and isinstance(value, str):
        return _path(value, place)
    if hint is bool and isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if hint in {int, float} and isinstance(value, str):
        return _parsed(_class(hint), value, place)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is str and isinstance(value, str):
        return value
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise place.error(f"must be {_name(hint)}, is {value!r}")


def _quantity(kind: object, unit: object, value: object, place: Place) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise place.error(f"must be a number of {unit} or a text with a unit, is {value!r}")
    parse: Callable[[str], float] = _PARSERS[str(unit)]
    amount = _parsed(parse, value, place) if isinstance(value, str) else value
    if amount < 0:
        raise place.error(f"must not be negative, is {value!r}")
    return int(amount) if kind is int else float(amount)


_PARSERS: dict[str, Callable[[str], float]] = {
    "bytes": parse_size,
    "seconds": parse_duration,
    "wei": parse_amount,
}


def _parsed(parse: Callable[[str], Any], value: str, place: Place) -> Any:  # noqa: ANN401
    try:
        return parse(value)
    except ValueError as error:
        raise place.error(str(error)) from error


def _path(value: str, place: Place) -> Path:
    if not value:
        raise place.error("is empty: name a file or directory, or leave the key out")
    path = Path(value).expanduser()
    return path if path.is_absolute() else place.directory / path


def _name(hint: object) -> str:
    words = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    return words.get(hint, "a path" if hint is Path else str(hint))  # type: ignore[call-overload, no-any-return]

"""What parameters must fulfil before a deployment may start with them."""

from dataclasses import fields

from xdb.core.rules.limits import LARGEST
from xdb.errors import ConfigError
from xdb.model.registry import Parameters


def check_parameters(parameters: Parameters) -> None:
    """ConfigError when the rules would not hold what they promise under these."""
    p = parameters
    for field in fields(p):
        value = getattr(p, field.name)
        if isinstance(value, int) and not int(field.name != "start") <= value <= LARGEST // 4:
            raise ConfigError(f"parameter {field.name} = {value} is out of range: correct it")
    _demand(
        p.retention >= 2 * p.epoch,
        f"retention ({p.retention} s) is shorter than two epochs ({2 * p.epoch} s): "
        "nodes could delete what they are still asked to prove",
    )
    # Else a file could be released, and published again under the receipts of its first life.
    _demand(
        p.retention >= p.receipt_validity,
        f"retention ({p.retention} s) is shorter than receipts are valid "
        f"({p.receipt_validity} s): receipts would outlive their file",
    )
    _demand(
        p.stray_grace > p.receipt_validity,
        f"strays are kept {p.stray_grace} s, receipts are valid {p.receipt_validity} s: "
        "nodes could delete what still may be published",
    )


def _demand(holds: bool, what: str) -> None:  # noqa: FBT001  # reads as a sentence
    if not holds:
        raise ConfigError(f"{what}; choose other parameters for this deployment")

"""All strategies, by name, with what must come of each.

Bounds are epochs from the one in which a cheat begins to the one in which it is seen:

    who can answer nothing          CERTAIN = 2: the next epoch asks, the one behind it knows
    a part f of the leaves is gone  1 + n, n = ceil(ln DOUBT / (c ln(1 - f))) epochs asked, since
                                    one lets f pass with (1 - f)^c, c = LEAVES = 16
                                    f = 0.1 (18.5 % pass): 14; f = 0.4 (0.03 %): 4
    honest for one epoch first      one more
    signed for after the beginning  one more: sealed in the next epoch, asked in the one behind
    wrong, refused, silent          1: each is probed every 225 s, an epoch has 600 s

Of all that a cheat had, nothing may be left to it 14 epochs later: two misses in a row (or
`restore_for` of damage, or four times `unreachable` of silence), the grace, and a repair.
"""

from xdb.testing.simulation.byzantine.arena import LEAVES
from xdb.testing.simulation.byzantine.bounds import CERTAIN, epochs
from xdb.testing.simulation.byzantine.nodes import (
    borrowing,
    lying,
    receiving,
    serving,
    withholding,
)
from xdb.testing.simulation.byzantine.owners import flooding, framing, uploading
from xdb.testing.simulation.byzantine.strategy import (
    HARMLESS,
    UNSEEN,
    Attack,
    Corrupt,
    Expected,
    Kind,
    Means,
    Strategy,
    caught,
)

TENTH = 0.1
MOST = 0.4
"""Part that is gone, at least, where nearly everything is dropped: there may be little else."""
LITTLE = 0.05
"""Part that is gone, at least, where only what came last is dropped."""


def _node(  # noqa: PLR0913  # named, and each has a default
    name: str,
    corrupt: Corrupt,
    deed: str,
    expected: Expected,
    *,
    nodes: int = 1,
    receives: bool = False,
) -> tuple[str, Strategy]:
    made = Strategy(name, Kind.NODE, expected, deed, corrupt, nodes=nodes, receives=receives)
    return name, made


_MISSED = caught(CERTAIN, Means.MISSED)
_REFUSED = caught(1, Means.REFUSED)
_SILENT = caught(1, Means.SILENT)
_ALL_GONE = caught(epochs(MOST, LEAVES), Means.MISSED)


def _owner(name: str, attack: Attack, deed: str) -> tuple[str, Strategy]:
    return name, Strategy(name, Kind.OWNER, HARMLESS, deed, attack=attack)


STRATEGIES: dict[str, Strategy] = dict(
    [
        _owner("never-finishes", uploading.never_finishes, uploading.ENDLESS),
        _owner(
            "sends-what-it-did-not-announce",
            uploading.sends_what_it_did_not_announce,
            uploading.WRONG,
        ),
        _owner(
            "deletes-while-it-uploads",
            uploading.deletes_while_it_uploads,
            "files deleted while they were uploaded",
        ),
        _owner(
            "uploads-twice-at-once",
            uploading.uploads_twice_at_once,
            "parallel uploads of one id",
        ),
        _owner("publishes-what-nobody-signed", framing.publishes_what_nobody_signed, framing.FALSE),
        _owner("pushes-beyond-the-file", framing.pushes_beyond_the_file, framing.BEYOND),
        _owner("floods-with-metadata", flooding.floods_with_metadata, flooding.TOO_LARGE),
        _owner("signs-for-something-else", flooding.signs_for_something_else, flooding.UNSIGNED),
        _node(
            "drops-all-but-one",
            withholding.drops_all_but_one,
            withholding.WITHHELD,
            _ALL_GONE,
        ),
        _node(
            "drops-a-tenth",
            withholding.drops_a_part(TENTH),
            withholding.WITHHELD,
            caught(epochs(TENTH, LEAVES), Means.MISSED),
        ),
        _node(
            "keeps-what-was-asked",
            withholding.keeps_what_was_asked,
            withholding.WITHHELD,
            caught(1 + epochs(MOST, LEAVES), Means.MISSED),
        ),
        _node(
            "guesses-the-seed",
            withholding.guesses_the_seed,
            withholding.WITHHELD,
            _ALL_GONE,
        ),
        _node(
            "replays-the-last-proof",
            withholding.replays_the_last_proof,
            "Prove refused: proof",
            caught(1 + CERTAIN, Means.MISSED),
        ),
        _node(
            "answers-with-anothers-replica",
            borrowing.answers_with_anothers_replica,
            "leaves borrowed",
            _MISSED,
        ),
        _node("shares-one-copy", borrowing.shares_one_copy, "leaves borrowed", _MISSED, nodes=2),
        _node(
            "fetches-elsewhere",
            borrowing.fetches_elsewhere,
            "bytes fetched from elsewhere",
            UNSEEN,
        ),
        _node("lies-in-proofs", lying.lies_in_proofs, "Prove refused: proof", _MISSED),
        _node(
            "answers-at-the-last-minute",
            lying.answers_at_the_last_minute,
            "proofs at the last minute",
            HARMLESS,
        ),
        _node("answers-too-late", lying.answers_too_late, "Prove refused: epoch", _MISSED),
        _node(
            "refuses-everything",
            serving.refuses_everything,
            serving.REFUSED,
            _REFUSED,
        ),
        _node(
            "refuses-readers", serving.refuses_readers, serving.REFUSED, caught(1, Means.REFUSED)
        ),
        _node(
            "serves-wrong-bytes", serving.serves_wrong_bytes, serving.WRONG, caught(1, Means.WRONG)
        ),
        _node("never-answers", serving.never_answers, "calls not answered", _SILENT),
        _node("lies-to-probes", serving.lies_to_probes, serving.WRONG, caught(1, Means.WRONG)),
        _node(
            "cries-wolf",
            serving.cries_wolf,
            "sound replicas said to be damaged",
            caught(1, Means.LISTED),
        ),
        _node("serves-slowly", serving.serves_slowly, "slow reads", HARMLESS),
        _node(
            "discards-after-the-receipt",
            receiving.discards_after_the_receipt,
            "bytes discarded",
            caught(1 + epochs(LITTLE, LEAVES), Means.MISSED),
            receives=True,
        ),
        _node(
            "signs-for-nothing",
            receiving.signs_for_nothing,
            "receipts for nothing",
            caught(1 + epochs(LITTLE, LEAVES), Means.MISSED),
            receives=True,
        ),
        _node(
            "forges-receipts", receiving.forges_receipts, "receipts forged", HARMLESS, receives=True
        ),
        _node(
            "speaks-for-others",
            receiving.speaks_for_others,
            "calls in another's name refused",
            HARMLESS,
        ),
    ]
)

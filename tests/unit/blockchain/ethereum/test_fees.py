import pytest

from xdb.blockchain.ethereum.broadcast import Taken, best, meaning
from xdb.blockchain.ethereum.config import FeeConfig, SendConfig, WatchConfig
from xdb.blockchain.ethereum.fees import Fees, Market, offer, raised
from xdb.errors import ConfigError, UnavailableError

GWEI = 10**9
CONFIG = FeeConfig(most=100 * GWEI, least_tip=GWEI, most_tip=3 * GWEI, bump=15)


def test_an_offer_outlives_a_doubled_base_fee():
    assert offer(Market(20 * GWEI, 2 * GWEI), CONFIG) == Fees(42 * GWEI, 2 * GWEI)


@pytest.mark.parametrize(("tip", "paid"), [(0, 1), (2, 2), (1000, 3)])
def test_tips_stay_within_bounds_whatever_an_endpoint_says(tip, paid):
    assert offer(Market(GWEI, tip * GWEI), CONFIG).tip == paid * GWEI


def test_an_offer_is_cut_at_the_cap():
    assert offer(Market(90 * GWEI, GWEI), CONFIG) == Fees(100 * GWEI, GWEI)


def test_nothing_is_offered_that_the_cap_does_not_pay():
    with pytest.raises(UnavailableError, match=r"100\.5 gwei now.*allows \(100 gwei\)"):
        offer(Market(99 * GWEI + GWEI // 2, GWEI), CONFIG)


def test_a_replacement_is_clearly_higher_in_both():
    last = Fees(42 * GWEI + 1, 2 * GWEI + 1)
    better = raised(last, Market(GWEI, GWEI), CONFIG)
    assert better is not None
    assert better.fee * 100 >= last.fee * 115
    assert better.tip * 100 >= last.tip * 115


def test_a_replacement_follows_a_market_that_rose():
    assert raised(Fees(10 * GWEI, GWEI), Market(40 * GWEI, GWEI), CONFIG).fee == 81 * GWEI


def test_no_replacement_above_the_cap():
    assert raised(Fees(90 * GWEI, GWEI), Market(GWEI, GWEI), CONFIG) is None
    assert raised(Fees(86 * GWEI, GWEI), Market(200 * GWEI, GWEI), CONFIG).fee == 100 * GWEI


@pytest.mark.parametrize(
    ("sentence", "taken"),
    [
        ("already known", Taken.YES),
        ("AlreadyKnown", Taken.YES),
        ("Known transaction", Taken.YES),
        ("nonce too low: next nonce 5, tx nonce 4", Taken.NONCE_USED),
        ("OldNonce, Current nonce: 5, nonce of rejected tx: 4", Taken.NONCE_USED),
        ("Nonce too low", Taken.NONCE_USED),
        ("replacement transaction underpriced", Taken.UNDERPRICED),
        ("transaction underpriced: tip needed 1, tip permitted 0", Taken.UNDERPRICED),
        ("max fee per gas less than block base fee: address 0x1", Taken.UNDERPRICED),
        ("ReplacementNotAllowed", Taken.UNDERPRICED),
        ("insufficient funds for gas * price + value", Taken.NO_FUNDS),
        ("Insufficient funds for gas * price + value", Taken.NO_FUNDS),
        ("Upfront cost exceeds account balance", Taken.NO_FUNDS),
        ("InsufficientFunds, Account balance: 0", Taken.NO_FUNDS),
        ("header not found", Taken.UNKNOWN),
    ],
)
def test_what_endpoints_say(sentence, taken):
    assert meaning(sentence) is taken


def test_the_best_answer_counts():
    assert best([Taken.UNKNOWN, Taken.YES, Taken.NO_FUNDS]) is Taken.YES
    assert best([]) is Taken.UNKNOWN


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="bump is 9"):
        FeeConfig(bump=9)
    with pytest.raises(ConfigError, match="must not fall"):
        FeeConfig(most_tip=1, least_tip=2)
    with pytest.raises(ConfigError, match="confirmations"):
        SendConfig(confirmations=0)
    with pytest.raises(ConfigError, match="quorum"):
        WatchConfig(quorum=0)

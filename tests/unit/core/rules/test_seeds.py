import pytest

from xdb.core.rules.seeds import is_late
from xdb.model.calls import RevealSeed
from xdb.model.events import SeedRevealed
from xdb.model.ids import Digest
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters
from xdb.testing.audits import EPOCH, AuditWorld, preimage
from xdb.testing.registry import START


@pytest.fixture
def world():
    return AuditWorld()


def test_an_epoch_gets_its_seed_once(world, refused):
    (event,) = world.reveal()
    assert event == SeedRevealed(0, event.seed)
    assert len(event.seed) == 32
    with refused(Refusal.SEED, "epoch 0 has its seed"):
        world.reveal()


def test_epochs_may_be_left_out(world):
    world.reveal()
    world.chain.advance(7 * EPOCH)
    assert world.reveal()[0].epoch == 7


@pytest.mark.parametrize(
    ("time", "late"),
    [
        (START, False),
        (START + 30, False),
        (START + 31, True),
        (START + 59, True),
        (START + 60, False),
    ],
)
def test_an_epoch_is_late_in_its_second_half(time, late):
    assert is_late(Parameters(start=START, epoch=60), time) is late


def test_seeds_differ_between_epochs(world):
    seeds = set()
    for _ in range(5):
        seeds.add(world.reveal()[0].seed)
        world.next_epoch(seed=False)
    assert len(seeds) == 5


def test_every_beacon_has_a_part():
    world = AuditWorld(beacons=2)
    both = world.reveal()[0].seed
    assert both != AuditWorld().reveal()[0].seed


def test_one_missing_beacon_is_enough_to_refuse():
    world = AuditWorld(beacons=2)
    with pytest.raises(Exception, match="1 preimages") as caught:
        world.call(world.bob, RevealSeed(0, (preimage(0),)))
    assert caught.value.refusal is Refusal.INVALID


@pytest.mark.parametrize("epoch", [1, 5])
def test_not_before_its_epoch(world, refused, epoch):
    with refused(Refusal.EPOCH, f"it is epoch 0, not {epoch}"):
        world.call(world.bob, RevealSeed(epoch, (preimage(epoch),)))


def test_not_after_its_epoch(world, refused):
    world.next_epoch(seed=False)
    with refused(Refusal.EPOCH, "it is epoch 1, not 0"):
        world.call(world.bob, RevealSeed(0, (preimage(0),)))


def test_not_in_the_second_half_when_nodes_would_have_no_time_to_answer(world, refused):
    world.chain.advance(EPOCH // 2 + 1)
    with refused(Refusal.EPOCH, "too little time"):
        world.reveal()


@pytest.mark.parametrize("wrong", [preimage(1), preimage(-1), Digest(bytes(32))])
def test_another_preimage_is_refused(world, refused, wrong):
    with refused(Refusal.SEED, "beacon 1 does not lead to its commitment"):
        world.call(world.bob, RevealSeed(0, (wrong,)))


def test_a_deployment_without_beacons_audits_nothing():
    world = AuditWorld(beacons=0)
    with pytest.raises(Exception, match="no beacons") as caught:
        world.call(world.bob, RevealSeed(0, ()))
    assert caught.value.refusal is Refusal.UNSUPPORTED

import asyncio

import pytest

from xdb.errors import TimeoutExpiredError, UnavailableError
from xdb.testing.simulation.links import Dice, LinkConditions

CLIENT, SERVER = "client", "server"


async def test_without_faults_everything_arrives_at_once(bench):
    async with bench.serve():
        assert await bench.run(bench.ask()) == (b"hello", 0)
    assert not bench.network.faults


async def test_latency_is_of_each_direction(bench):
    bench.network.shape(LinkConditions(latency=1.0), CLIENT, SERVER)
    bench.network.shape(LinkConditions(latency=0.5), SERVER, CLIENT)
    async with bench.serve():
        assert (await bench.run(bench.ask()))[1] == 3.0  # certificate first
        assert (await bench.run(bench.ask()))[1] == 1.5


async def test_conditions_hold_for_links_that_come_later(bench):
    bench.network.shape(LinkConditions(latency=1.0))
    async with bench.serve():
        assert (await bench.run(bench.ask()))[1] == 4.0
        bench.network.heal()
        assert (await bench.run(bench.ask()))[1] == 0.0


async def test_bandwidth_is_shared(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.shape(LinkConditions(bandwidth=1000.0), CLIENT, SERVER)
        work = asyncio.gather(*(bench.ask(bytes(4000)) for _ in range(3)))
        _, seconds = await bench.run(work)
    assert 12.0 < seconds < 12.5


async def test_jitter_reorders_calls_as_the_seed_says(make_bench):
    orders = []
    for seed in (1, 1, 2):
        bench = make_bench(seed)
        async with bench.serve():
            await bench.ask()
            bench.network.shape(LinkConditions(jitter=1.0))
            await bench.run(asyncio.gather(*(bench.ask(bytes([n])) for n in range(20))))
        orders.append(bench.echoes[SERVER].asked)
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


async def test_a_stream_keeps_its_order(bench):
    async with bench.serve():
        bench.network.shape(LinkConditions(jitter=1.0))
        counted, seconds = await bench.run(bench.count(30))
    assert counted == list(range(30))
    assert seconds > 3


async def test_a_lost_request_ends_at_its_deadline(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.shape(LinkConditions(lost=1.0), CLIENT, SERVER)
        assert await bench.failure(bench.ask(), TimeoutExpiredError) == 15.0
        bench.network.heal()
        assert await bench.run(bench.ask()) == (b"hello", 0)
    assert len(bench.echoes[SERVER].asked) == 2
    assert bench.network.faults == {"lost": 1}


async def test_a_lost_reply_is_of_a_request_that_was_served(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.shape(LinkConditions(lost=1.0), SERVER, CLIENT)
        assert await bench.failure(bench.ask(b"lost"), TimeoutExpiredError) == 15.0
    assert bench.echoes[SERVER].done[-1] == b"lost"


async def test_who_never_connects_does_not_wait_for_the_deadline(bench):
    bench.network.shape(LinkConditions(lost=1.0))
    async with bench.serve():
        assert await bench.failure(bench.ask(), UnavailableError) == 5.0


async def test_a_broken_connection_ends_all_calls_on_it_and_no_others(bench):
    async with bench.serve():
        bench.echoes[SERVER].pause = 4.0
        mine = [await bench.begun(bench.ask(party=bench.party())) for _ in range(2)]
        other = await bench.begun(bench.ask(b"other", party=bench.party("other")))
        bench.network.shape(LinkConditions(broken=1.0), CLIENT, SERVER)
        assert await bench.failure(bench.ask(), UnavailableError) == 0
        for task in mine:
            assert await bench.failure(task, UnavailableError) == 0
        assert len(bench.echoes[SERVER].cancelled) == 2
        bench.network.heal()
        assert (await bench.run(other))[0] == b"other"
        assert await bench.run(bench.ask()) == (b"hello", 4.0)


async def test_a_request_is_served_twice(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.shape(LinkConditions(duplicated=1.0, jitter=0.5))
        assert (await bench.run(bench.ask(b"twice")))[0] == b"twice"
        await bench.clock.advance(10)
    assert bench.echoes[SERVER].done[1:] == [b"twice", b"twice"]
    assert bench.network.faults["duplicated"] == 1


async def test_streams_are_not_duplicated(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.shape(LinkConditions(duplicated=1.0))
        assert (await bench.run(bench.count(2)))[0] == [0, 1]
    assert bench.echoes[SERVER].asked.count(b"count") == 1


async def test_the_same_seed_gives_the_same_frames(make_bench):
    traces = []
    for seed in (7, 7, 8):
        bench = make_bench(seed)
        bench.network.shape(LinkConditions(0.1, 0.3, 10_000.0, 0.02, 0.02, 0.2))
        async with bench.serve():
            bench.echoes[SERVER].pause = 0.1
            works = [bench.ask(bytes([n]) * 100) for n in range(30)]
            await bench.run(asyncio.gather(*works, return_exceptions=True))
            await bench.clock.advance(60.0)  # duplicates are served, too, before it stops
        traces.append(bench.seen)
    assert traces[0] == traces[1] != traces[2]


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
async def test_chances_are_about_right(bench, chance):
    link = bench.network.fabric.link("a", "b")
    link.conditions = LinkConditions(duplicated=chance)
    found = sum(link.duplicates() for _ in range(2000)) / 2000
    assert abs(found - chance) < 0.05


class Zeros:
    def draw(self, count):
        return bytes(count)


def test_of_zeros_nothing_happens():
    dice = Dice(Zeros())
    assert not dice.happens(0.999)
    assert dice.happens(1.0)
    assert dice.exponential(5.0) == 0.0

import asyncio
from contextlib import AsyncExitStack

import pytest

from xdb.errors import AuthError, TimeoutExpiredError, UnavailableError
from xdb.testing.simulation.links import LinkConditions

CLIENT, SERVER = "client", "server"


async def test_what_is_clogged_arrives_later(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.clog(CLIENT, SERVER).end_after(4.0)
        assert await bench.run(bench.ask()) == (b"hello", 4.0)
    assert bench.network.faults == {"held": 1}


async def test_what_is_on_its_way_is_clogged_too(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.shape(LinkConditions(latency=1.0), CLIENT, SERVER)
        asking = await bench.begun(bench.ask())
        hold = bench.network.clog(CLIENT, SERVER)
        await bench.clock.advance(5.0)
        assert not asking.done()
        hold.end()
        hold.end()
        assert await bench.run(asking) == (b"hello", 1.0)  # sent again


async def test_a_half_open_path_serves_without_an_answer(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.clog(SERVER, CLIENT)
        assert await bench.failure(bench.ask(b"half"), TimeoutExpiredError) == 15.0
    assert bench.echoes[SERVER].done[-1] == b"half"


async def test_a_partition_separates_its_sides_only(bench):
    async with AsyncExitStack() as stack:
        for host in "abcd":
            await stack.enter_async_context(bench.serve(host))
        whole = bench.network.partition({"a", "b"})
        some = bench.network.partition({"c"}, {"d"})
        for left, right in ("ab", "ba"):
            await bench.run(bench.ask(party=bench.party(left, right)))
        for left, right in ("ac", "ca", "bd", "cd", "dc"):
            asked = bench.ask(party=bench.party(left, right))
            assert await bench.failure(asked, UnavailableError) == 5.0
        some.end()
        await bench.run(bench.ask(party=bench.party("c", "d")))
        assert await bench.failure(bench.ask(party=bench.party("a", "c")), UnavailableError) == 5.0
        whole.end()
        await bench.run(bench.ask(party=bench.party("a", "c")))


async def test_healing_ends_everything(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.partition({CLIENT})
        bench.network.pause(SERVER)
        bench.network.shape(LinkConditions(latency=9.0, lost=1.0))
        bench.network.heal()
        assert await bench.run(bench.ask()) == (b"hello", 0)


async def test_what_was_held_for_long_never_arrives(bench):
    async with bench.serve():
        await bench.ask()
        bench.network.shape(LinkConditions(jitter=1.0))
        for seconds, arrives in ((20.0, True), (90.0, False)):
            hold = bench.network.clog(CLIENT, SERVER)
            asked = asyncio.gather(*(bench.ask() for _ in range(8)), return_exceptions=True)
            assert (await bench.run(asked))[1] == 15.0
            await bench.clock.advance(seconds - 15.0)
            hold.end()
            bench.echoes[SERVER].asked.clear()
            await bench.clock.advance(20.0)
            assert bool(bench.echoes[SERVER].asked) is arrives


async def test_a_paused_server_holds_everything_and_then_goes_on(bench):
    async with bench.serve():
        await bench.ask()
        hold = bench.network.pause(SERVER)
        asking = await bench.begun(bench.ask(b"patient"))
        assert await bench.failure(bench.ask(b"hasty", 2.0), TimeoutExpiredError) == 2.0
        stranger = bench.ask(party=bench.party("other"))
        assert await bench.failure(stranger, UnavailableError) == 5.0
        hold.end()
        assert await bench.run(asking) == (b"patient", 0)


async def test_a_reset_ends_all_between_two_hosts(bench):
    async with bench.serve(), bench.serve("else"):
        for echo in bench.echoes.values():
            echo.pause = 3.0
        mine = await bench.begun(bench.ask())
        other = await bench.begun(bench.ask(party=bench.party(CLIENT, "else")))
        bench.network.reset(SERVER, CLIENT)
        assert await bench.failure(mine, UnavailableError) == 0
        assert bench.echoes[SERVER].cancelled
        assert (await bench.run(other))[0] == b"hello"
        assert (await bench.run(bench.ask()))[0] == b"hello"


async def test_silence_ends_a_stream_on_both_sides(bench):
    async with bench.serve():
        bench.echoes[SERVER].pause = 1.0
        counting = await bench.begun(bench.count(10_000))
        await bench.clock.advance(10.0)
        bench.network.partition({CLIENT})
        assert await bench.failure(counting, UnavailableError) <= 60.0
        await bench.clock.advance(100.0)
        assert bench.echoes[SERVER].cancelled == [b"count"]
    assert bench.network.faults["unanswered"] == 1


async def test_a_short_silence_is_survived(bench):
    async with bench.serve():
        bench.echoes[SERVER].pause = 1.0
        counting = await bench.begun(bench.count(100))
        await bench.clock.advance(25.0)
        bench.network.partition({CLIENT}).end_after(9.0)
        assert (await bench.run(counting))[0] == list(range(100))


@pytest.mark.parametrize("host", [SERVER, "nowhere"])
async def test_where_nobody_listens_is_refused_at_once(bench, host):
    async with bench.serve():
        pass
    assert await bench.failure(bench.ask(party=bench.party(host=host)), UnavailableError) == 0
    assert bench.network.faults["refused"] == 1


async def test_a_server_killed_and_started_again(bench):
    async with bench.serve():
        bench.echoes[SERVER].pause = 3.0
        asking = await bench.begun(bench.ask())
        bench.network.kill(f"{SERVER}:1")
        bench.network.kill(f"{SERVER}:1")
        assert await bench.failure(asking, UnavailableError) == 0
        assert bench.echoes[SERVER].cancelled
        assert await bench.failure(bench.ask(), UnavailableError) == 0
        async with bench.serve():
            assert await bench.run(bench.ask()) == (b"hello", 0)
            await bench.clock.advance(10.0)
    assert bench.network.faults["killed"] == 1


async def test_who_was_not_told_of_a_restart_finds_out_by_calling(bench):
    async with bench.serve():
        await bench.ask()
    hold = bench.network.partition({CLIENT})
    async with bench.serve(name="new"):
        asking = await bench.begun(bench.ask())
        hold.end()
        with pytest.raises(UnavailableError, match="handshake"):
            await asking
        with pytest.raises(AuthError):
            await bench.ask()


async def test_whom_a_dead_servers_reset_does_not_reach_waits(bench):
    async with bench.serve():
        bench.echoes[SERVER].pause = 3.0
        asking = await bench.begun(bench.ask())
        bench.network.partition({SERVER})
        bench.network.kill(f"{SERVER}:1")
        assert await bench.failure(asking, TimeoutExpiredError) == 15.0

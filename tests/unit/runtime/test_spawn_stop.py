import asyncio

from xdb.runtime.spawn import TaskSpawn


async def test_stopping_does_not_spin_on_tasks_that_have_just_ended():
    ended = asyncio.get_running_loop().create_future()

    async def work():
        await ended

    spawn = TaskSpawn()
    task = spawn.start(work(), name="work")
    await asyncio.sleep(0)
    task.remove_done_callback(spawn._let_go)  # as if the callback had not run yet
    ended.set_result(None)
    await task
    async with asyncio.timeout(5):
        await spawn.stop()
    assert not spawn._tasks


async def test_tasks_are_ended_in_the_order_of_their_start():
    ended = []

    async def work(number):
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(number)

    spawn = TaskSpawn()
    for number in range(100):
        spawn.start(work(number), name="the same")
    await asyncio.sleep(0)
    await spawn.stop()
    assert ended == list(range(100))

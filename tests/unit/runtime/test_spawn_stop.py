import asyncio

from xdb.runtime.spawn import TaskSpawn


async def test_stopping_does_not_spin_on_tasks_that_have_just_ended():
    ended = asyncio.get_running_loop().create_future()

    async def work():
        await ended

    spawn = TaskSpawn()
    task = spawn.start(work(), name="work")
    await asyncio.sleep(0)
    task.remove_done_callback(spawn._tasks.discard)  # as if the callback had not run yet
    ended.set_result(None)
    await task
    async with asyncio.timeout(5):
        await spawn.stop()
    assert not spawn._tasks

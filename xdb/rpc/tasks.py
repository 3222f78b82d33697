"""TaskService: how a daemon's periodic tasks are doing."""

from collections.abc import Callable
from dataclasses import dataclass

from xdb.core.wire import to_message
from xdb.model.tasks import TaskList, TaskStatus
from xdb.pb import tasks_pb2
from xdb.rpc.edge import Context, Method
from xdb.rpc.server import Service, service_of, unary

NAME = "xdb.v1.TaskService"


@dataclass(frozen=True, slots=True)
class TaskServicer:
    """Over whatever tells how the tasks are doing now."""

    tasks: Callable[[], tuple[TaskStatus, ...]]
    check: Callable[[], None] | None

    async def list_tasks(
        self, _request: tasks_pb2.TasksRequest, _context: Context
    ) -> tasks_pb2.TasksReply:
        """All of them."""
        if self.check is not None:
            self.check()
        return to_message(TaskList(self.tasks()), tasks_pb2.TasksReply)


def task_service(
    tasks: Callable[[], tuple[TaskStatus, ...]], check: Callable[[], None] | None = None
) -> Service:
    """The service of any daemon; `check` refuses callers, without it anybody may ask."""
    handlers = {"List": unary(TaskServicer(tasks, check).list_tasks, tasks_pb2.TasksRequest)}
    return service_of(NAME, handlers, {"List": Method("open" if check is None else "control")})

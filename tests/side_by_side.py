"""How test files are shared out to two processes."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class Files(LoadFileScheduling):
    """A file at a time, and the rest of its files where a process dies.

    xdist 3.8 hands out the dead process's finished files as well, and waits for ever for a file
    of which no test is left.
    """

    def remove_node(self, node: WorkerController) -> str | None:
        files = self.assigned_work.pop(node)
        left = {
            file: {test: False for test, done in tests.items() if not done}
            for file, tests in files.items()
        }
        crashed = next((test for tests in left.values() for test in tests), None)
        if crashed is not None:
            for tests in left.values():
                tests.pop(crashed, None)
            self.workqueue.update({file: tests for file, tests in left.items() if tests})
            for other in self.assigned_work:
                self._reschedule(other)
        return crashed

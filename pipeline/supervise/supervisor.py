"""The processes of one site: started, watched, restarted, stopped in order.

Workers and matcher are the work; beside it stand companions, such as the viewer, whose death or
restart changes nothing for it: where the workers share an inference process, they wait for its
successor.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import redis
from rich.table import Table

from pipeline import telemetry
from pipeline.bus import EmbeddedServer, Keys, check_login, connect, drained
from pipeline.config import Site
from pipeline.encoders.current import Encoders
from pipeline.errors import CamtrailError
from pipeline.notify.follow import begin as begin_notifying
from pipeline.notify.receivers import receiver_options
from pipeline.supervise.announce import announce_lost, announce_starting
from pipeline.supervise.logs import Logs
from pipeline.supervise.metrics import RESTARTS, tell
from pipeline.supervise.policy import RestartPolicy
from pipeline.supervise.process import Process, State
from pipeline.supervise.status import Status, table

_ANNOUNCE_SECONDS = 10.0  # for Redis to take the announcements
_STOP_SECONDS = 20.0  # for what was asked to stop, before it is killed
_DRAIN_SECONDS = 10.0
_END_SECONDS = 60.0  # for workers to see that all is committed, when the matcher is done
_HUNG_SECONDS = 120.0  # a worker that lives but says nothing for so long is killed
_BEGIN_SECONDS = 900.0  # the same before its first word: it imports, loads and exports networks
_PAUSE_SECONDS = 0.05
_LOG_SECONDS = 60.0  # between two looks at the logs

log = telemetry.get_logger(__name__)


class Supervisor:
    """Starts Redis where it is embedded, the matcher, a worker a camera, and the companions; call
    `poll` often.

    Use it from the main thread: the processes end with the thread that started them.
    """

    def __init__(
        self, site: Site, site_path: Path, until_end: bool, with_viewer: bool = False
    ) -> None:
        self._site = site
        self._until_end = until_end
        self._failure = ""  # why the matcher cannot run
        self._ended: float | None = None  # when the matcher did
        self._redis = _Redis(EmbeddedServer(site)) if site.redis == "embedded" else None
        self._status: Status | None = None
        self._announcing: list[threading.Thread] = []
        self._encoders = Encoders(site.data_dir)
        self._encoder_stamp = self._encoders.stamp()
        path = str(site_path.absolute())
        logs = site.logs_dir
        self._logs = Logs(logs, site.retention.logs_days)
        self._logs_due = 0.0
        self._workers = [
            Process(
                name,
                _command("worker", path, "--camera", name, "--json-logs"),
                logs / f"worker-{name}.log",
                ends=not camera.live,
            )
            for name, camera in site.cameras.items()
        ]
        options = ["--until-end"] if until_end else []
        options += ["--standby"] if site.matcher.standby else []
        # Whichever is there first decides; the other waits, and so does one that is restarted.
        self._matchers = [
            Process(
                name,
                _command("matcher", path, "--json-logs", *options),
                logs / f"{name}.log",
                ends=until_end,
            )
            for name in (["matcher", "standby"] if site.matcher.standby else ["matcher"])
        ]
        self._companions = [
            Process(name, _command(*command), logs / f"{name}.log", ends=False)
            for name, command, wanted in (
                ("inference", ("inference", path, "--json-logs"), site.inference == "shared"),
                ("notifier", ("notify", "run", path, "--json-logs"), bool(receiver_options(site))),
                ("viewer", ("viewer", path, "--json-logs"), with_viewer),
            )
            if wanted
        ]
        for name in site.recorded:
            recorder = f"recorder-{name}"
            command = _command("recorder", path, "--camera", name, "--json-logs")
            self._companions.append(Process(recorder, command, logs / f"{recorder}.log", False))

    def start(self) -> None:
        """Starts Redis and announces the cameras; `poll` starts the rest.

        Raises:
            CamtrailError: Redis does not start or refuses us, or a worker of another supervisor is
                running.
        """
        if self._redis is not None:
            self._redis.start()
        else:
            check_login(self._site)
        self._status = Status(self._site)
        self._begin_notifying()
        at_end = announce_starting(self._site, self._site.cameras, _ANNOUNCE_SECONDS)
        for worker in self._workers:
            if worker.name in at_end:
                worker.skip("the file was read to its end before; nothing is read again")
                log.info(worker.message, camera=worker.name)

    def poll(self) -> None:
        """Starts what is due, and looks after what has died."""
        if self._redis is not None:
            self._redis.poll()
        if (stamp := self._encoders.stamp()) != self._encoder_stamp:
            self._encoder_stamp = stamp
            self._change_encoder()
        for process in (*self._matchers, *self._workers, *self._companions):
            before = process.pid
            if process.poll():
                self._gone(process)
            elif process.pid and process.pid != before:
                log.info("started", process=process.name, pid=process.pid)
                if process.restarts:
                    RESTARTS.labels(process.name).inc()
        tell((*self._matchers, *self._workers, *self._companions))
        self._tend_logs()
        assert self._status is not None
        for worker in self._workers:
            if worker.pid and not worker.killed:
                self._kill_hung(worker, *self._status.silent(worker))

    def finished(self) -> bool:
        """Whether there is no reason to go on: all is decided, or the matcher cannot run."""
        states = [matcher.state for matcher in self._matchers]
        if self._until_end and all(state is State.QUARANTINED for state in states):
            self._failure = self._matchers[0].message
            return True
        if State.ENDED not in states:
            return False
        self._ended = self._ended or time.monotonic()
        patience_over = time.monotonic() - self._ended > _END_SECONDS
        return patience_over or not any(worker.pid for worker in self._workers)

    def stop(self) -> None:
        """Stops the workers, then the matcher when it has drained the stream, the companions, and
        then Redis.
        """
        log.info("stopping")
        self._stop_work()
        self._stop(self._companions)
        if self._redis is not None:
            self._redis.server.stop()

    def _begin_notifying(self) -> None:
        """Before there is anything to tell."""
        if not receiver_options(self._site):
            return
        try:
            begin_notifying(self._site)
        except CamtrailError as error:
            log.error("nobody can be told of anything", error=str(error))

    def _change_encoder(self) -> None:
        """Stops what works with the former encoder; `poll` starts it again with the other one."""
        log.info("another encoder is in use; changing over")
        self._stop_work()
        self._stop(self._companions)
        for process in (*self._matchers, *self._workers, *self._companions):
            process.revive()

    def kill(self) -> None:
        """Ends whatever still runs, at once."""
        for process in (*self._workers, *self._matchers, *self._companions):
            process.kill()
        if self._redis is not None:
            self._redis.server.stop()
        if self._status is not None:
            self._status.close()
        for thread in self._announcing:
            thread.join()

    def result(self) -> int:
        """The exit status, after the end; says which cameras were not wholly read.

        Raises:
            CamtrailError: the matcher could not run.
        """
        if self._failure:
            raise CamtrailError(f"the matcher cannot run: {self._failure}")
        if self._ended is None:
            return 0
        unread = [worker for worker in self._workers if worker.state is not State.ENDED]
        for worker in unread:
            log.error("not read to its end", camera=worker.name, error=worker.message)
        incomplete = [worker for worker in self._workers if worker.incomplete]
        for worker in incomplete:
            log.warning("not all of it was read", camera=worker.name, error=worker.message)
        return 1 if unread or incomplete else 0

    def table(self) -> Table:
        """The table of live status."""
        assert self._status is not None
        return table(self._site, self._workers, self._matchers, self._companions, self._status)

    def _gone(self, process: Process) -> None:
        if process.state is State.ENDED:
            if process.incomplete:
                log.warning("ended", process=process.name, error=process.message)
            else:
                log.info("ended", process=process.name)
            return
        log.warning("died", process=process.name, error=process.message, state=str(process.state))
        if process.state is State.QUARANTINED and process in self._workers:
            self._announce_lost(process.name)

    def _tend_logs(self) -> None:
        """Once a minute."""
        if time.monotonic() < self._logs_due:
            return
        self._logs_due = time.monotonic() + _LOG_SECONDS
        try:
            for process in (*self._matchers, *self._workers, *self._companions):
                process.tend_log()
            self._logs.expire(time.time())
        except OSError as error:
            log.warning("old logs cannot be put aside yet", error=str(error))

    def _kill_hung(self, worker: Process, silent: float, began: bool) -> None:
        if silent > (_HUNG_SECONDS if began else _BEGIN_SECONDS):
            what = "hangs, killed" if began else "does not begin, killed"
            log.warning(what, process=worker.name, silent=round(silent))
            worker.kill()

    def _announce_lost(self, camera: str) -> None:
        """In a thread of its own, since Redis may be slow or away."""

        def announce() -> None:
            try:
                announce_lost(self._site, camera, _ANNOUNCE_SECONDS)
            except CamtrailError as error:
                log.error("cannot announce the loss", camera=camera, error=str(error))

        self._announcing = [thread for thread in self._announcing if thread.is_alive()]
        thread = threading.Thread(target=announce, name=f"lost-{camera}", daemon=True)
        thread.start()
        self._announcing.append(thread)

    def _stop_work(self) -> None:
        self._stop(self._workers)
        if self._some_matcher_runs():
            self._drain()
        self._stop(self._matchers)

    def _stop(self, processes: Sequence[Process]) -> None:
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        while not all(process.stopped() for process in processes):
            if time.monotonic() > deadline:
                for process in processes:
                    process.kill()
            time.sleep(_PAUSE_SECONDS)

    def _some_matcher_runs(self) -> bool:
        return not all(matcher.stopped() for matcher in self._matchers)

    def _drain(self) -> None:
        """Lets the matcher commit what the workers sent last."""
        client = connect(self._site)
        deadline = time.monotonic() + _DRAIN_SECONDS
        try:
            while time.monotonic() < deadline and self._some_matcher_runs():
                if drained(client, Keys(self._site.site)):
                    return
                time.sleep(_PAUSE_SECONDS)
        except redis.RedisError as error:
            log.warning("stopping with messages in the stream", error=str(error))
        finally:
            client.close()


class _Redis:
    """The embedded server, started again when it dies."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        # Without it nothing else works: it is never quarantined.
        self._policy = RestartPolicy(longest=5.0, limit=sys.maxsize)
        self._started = 0.0
        self._due: float | None = None
        self._deaths = 0

    def start(self) -> None:
        """Raises CamtrailError where it does not come up."""
        self._started = time.monotonic()
        self.server.start()
        if self._deaths:
            RESTARTS.labels("redis").inc()
        log.info("started", process="redis", pid=self.server.pid)

    def poll(self) -> None:
        """Starts it again where that is due."""
        if self.server.alive:
            return
        now = time.monotonic()
        if self._due is None:
            self._due = now + self._policy.died(now - self._started, -1)
            self._deaths += 1
            log.warning("died", process="redis")
        elif now >= self._due:
            self._due = None
            try:
                self.start()
            except CamtrailError as error:
                log.error("cannot be started", process="redis", error=str(error))


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", *arguments]

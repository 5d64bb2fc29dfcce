"""What the viewer and the command line ask the matcher, and its answers.

A request is one entry of the stream ``camtrail:{SITE}:requests`` with one field ``m``: JSON of
``id``, ``kind``, ``author``, ``time`` and ``deadline`` (seconds since the epoch), ``arguments``.
Whoever asks waits at the list ``camtrail:{SITE}:reply:ID`` for one JSON object: ``result``, or
``error`` with what was wrong, and ``contradiction`` true where asking again with ``force`` helps. A
request past its deadline is dropped: nobody waits any more.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import redis

from pipeline.bus.keys import Keys
from pipeline.errors import CamtrailError, ContradictionError
from pipeline.telemetry import get_logger, traces
from pipeline.telemetry.identifiers import new_question

SECONDS = 20.0  # for an answer, by default
MAX_REQUESTS = 1_000  # that wait; the oldest go
MAX_BYTES = 2**20
_REPLY_SECONDS = 60  # for which an answer is kept
_POLL_SECONDS = 1.0

log = get_logger(__name__)


class NoAnswerError(CamtrailError):
    """The matcher said nothing before the deadline."""


@dataclass(frozen=True, slots=True)
class Request:
    """Something asked of the matcher; ``arguments`` are plain JSON values."""

    id: str
    kind: str
    author: str
    time: float
    deadline: float
    arguments: dict[str, Any]


def ask(
    client: redis.Redis,
    keys: Keys,
    kind: str,
    author: str,
    arguments: dict[str, Any],
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """The matcher's answer.

    Raises:
        NoAnswerError: it does not answer in time.
        ContradictionError: it would only do it with ``force``.
        CamtrailError: it refuses.
        redis.RedisError: Redis is away.
    """
    now = time.time()
    request = Request(new_question(), kind, author, now, now + seconds, arguments)
    log.debug("asking the matcher", kind=kind, question=request.id)
    try:
        return _wait_for_answer(client, keys, request)
    finally:
        if place := traces.of_request(request.id):
            asker = traces.of_request(request.id.partition("-")[0])
            traces.record("ask", place, now, time.time(), {"kind": kind}, parent=asker)


def _wait_for_answer(client: redis.Redis, keys: Keys, request: Request) -> dict[str, Any]:
    text = json.dumps(asdict(request))
    if len(text) > MAX_BYTES:
        raise CamtrailError(f"{request.kind}: a request of {len(text)} bytes; at most {MAX_BYTES}")
    client.xadd(keys.requests, {"m": text}, maxlen=MAX_REQUESTS, approximate=False)
    while (left := request.deadline - time.time()) > 0:
        wait = max(0.01, min(left, _POLL_SECONDS))
        answer: Any = client.blpop([keys.reply(request.id)], timeout=wait)
        if answer:
            said: dict[str, Any] = json.loads(answer[1])
            if "error" in said:
                refusal = ContradictionError if said.get("contradiction") else CamtrailError
                raise refusal(said["error"])
            result: dict[str, Any] = said["result"]
            return result
    raise NoAnswerError(
        f"the matcher did not answer within {request.deadline - request.time:.0f} s; whether it "
        "did what was asked is not known: look, and ask again"
    )


class Requests:
    """The matcher's side. All methods raise `redis.RedisError` while Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def take(self) -> list[Request]:
        """What is asked now, the oldest first; each is taken once."""
        entries: Any = self._client.xrange(self._keys.requests, count=64)
        taken = []
        for entry, fields in entries:
            self._client.xdel(self._keys.requests, entry)
            request = read(fields.get(b"m", b""))
            if request is not None and time.time() <= request.deadline:
                taken.append(request)
        return taken

    def answer(self, request: Request, result: dict[str, Any]) -> None:
        """Says what came of it."""
        self._reply(request, {"result": result})

    def refuse(self, request: Request, error: str, *, contradiction: bool = False) -> None:
        """Says why not."""
        self._reply(request, {"error": error, "contradiction": contradiction})

    def _reply(self, request: Request, said: dict[str, Any]) -> None:
        key = self._keys.reply(request.id)
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.rpush(key, json.dumps(said))
            pipeline.expire(key, _REPLY_SECONDS)
            pipeline.execute()


def read(text: bytes) -> Request | None:
    """None for what is no request; whoever can write to Redis could have put it there."""
    try:
        if len(text) > MAX_BYTES:
            raise ValueError("too long")
        raw = json.loads(text)
        request = Request(**raw)
        texts = (request.id, request.kind, request.author)
        if not all(isinstance(text, str) and len(text) <= 256 for text in texts):
            raise ValueError("no texts")
        if not all(type(moment) in (int, float) for moment in (request.time, request.deadline)):
            raise ValueError("no times")
        if not isinstance(request.arguments, dict):
            raise ValueError("no arguments")
    except (ValueError, TypeError, RecursionError) as error:
        log.warning("something that is no request was dropped", error=str(error)[:200])
        return None
    return request

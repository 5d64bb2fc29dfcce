"""The bus: how a camera's messages reach the matcher, once each, whatever dies on the way.

Keys
====
All keys of a site carry the same hash tag (the braces are literal), so that they live on one slot
of a Redis Cluster, which has one primary at a time (see `pipeline.bus.primary`):

========================================  ======  ==============================================
``camtrail:{SITE}:tracklets``             stream  the messages; one entry has one field ``m``
``camtrail:{SITE}:dead-letters``          stream  what could not be decoded: ``reason``, ``id``,
                                                  ``head`` (its first bytes); capped
``camtrail:{SITE}:committed``             hash    camera -> ``RUN:NUMBER``, the last message of it
                                                  that the store has committed
``camtrail:{SITE}:health:CAMERA``         hash    what the worker says of itself; expires
``camtrail:{SITE}:matcher``               hash    what the matcher says of itself; expires
``camtrail:{SITE}:lease``                 string  who is the matcher; expires
``camtrail:{SITE}:forgotten``             string  counts when messages are to be forgotten, see
                                                  `pipeline.bus.forgetting`
``camtrail:{SITE}:requests``              stream  what is asked of the matcher, see
                                                  `pipeline.bus.requests`; capped
``camtrail:{SITE}:reply:ID``              list    its answer; expires
``camtrail:{SITE}:watched:CAMERA``        string  there while somebody watches the camera; expires
``camtrail:{SITE}:live:CAMERA``           pub/sub its frames meanwhile, see `pipeline.bus.preview`
========================================  ======  ==============================================

The consumer group of the stream is ``matcher``.

Delivery
========
A worker numbers its messages from 1 in each run and writes them to its `spool` on disk before
anything else; they leave the spool when the committed position has passed them. The sender sends in
order, and *every connection* starts again behind the committed position, because a server that was
restarted or failed over may have forgotten what it had acknowledged. So there is never a gap before
a message, a message may come more than once, and the store, which is idempotent, has it once.
The matcher announces the position after it has committed, and then acknowledges: what is
acknowledged and not announced has been forgotten, and is sent again. While the stream holds more
than `MAX_STREAM` messages, workers keep theirs in the spool: a stream is never cut where it is not
acknowledged.
An external Redis must run with ``maxmemory-policy noeviction``, as the embedded one does.

The wire format is described in `pipeline.bus.wire`.
"""

from pipeline.bus.connection import check_login, connect, refused_login
from pipeline.bus.consumer import Consumer, Delivery
from pipeline.bus.forgetting import forget_messages
from pipeline.bus.keys import Keys
from pipeline.bus.lease import Lease
from pipeline.bus.preview import Preview, decode_preview, encode_preview
from pipeline.bus.publisher import MAX_STREAM, Publisher, PublisherStats
from pipeline.bus.requests import NoAnswerError, Request, Requests, ask
from pipeline.bus.runs import last_numbers
from pipeline.bus.server import EmbeddedServer
from pipeline.bus.stream import FIRST_ID, drained, last_id, listen
from pipeline.bus.wire import WireError, decode, encode

__all__ = [
    "FIRST_ID",
    "MAX_STREAM",
    "Consumer",
    "Delivery",
    "EmbeddedServer",
    "Keys",
    "Lease",
    "NoAnswerError",
    "Preview",
    "Publisher",
    "PublisherStats",
    "Request",
    "Requests",
    "WireError",
    "ask",
    "check_login",
    "connect",
    "decode",
    "decode_preview",
    "drained",
    "encode",
    "encode_preview",
    "forget_messages",
    "last_id",
    "last_numbers",
    "listen",
    "refused_login",
]

from __future__ import annotations

import os
import signal

from pipeline.bus import Consumer, EmbeddedServer, Keys, connect, drained, encode
from pipeline.config import Site
from pipeline.records import Envelope, Position
from tests.pipeline.bus.samples import progress, wait_for

RUN = "01M7Y3ZZBARR0BW2M09Q7E3NZP"


def send(site: Site, numbers: range) -> list[str]:
    client, keys = connect(site), Keys(site.site)
    return [
        client.xadd(keys.tracklets, {"m": encode(Envelope(n, progress(RUN, n)))}).decode()
        for n in numbers
    ]


def another(site: Site, name: str = "second") -> Consumer:
    consumer = Consumer(connect(site), Keys(site.site), name)
    consumer.open()
    return consumer


def read_all(consumer: Consumer, count: int = 10) -> list[int]:
    numbers: list[int] = []
    while deliveries := consumer.read(count, 20):
        numbers += [delivery.envelope.number for delivery in deliveries]
    return numbers


def test_what_a_dead_matcher_left_comes_first_and_in_order(site: Site, consumer: Consumer) -> None:
    send(site, range(1, 31))
    first = consumer.read(20, 20)
    consumer.ack([delivery.id for delivery in first[:5]])
    send(site, range(31, 36))
    assert read_all(another(site), count=4) == [*range(6, 36)]


def test_nothing_comes_twice_while_all_is_well(site: Site, consumer: Consumer) -> None:
    send(site, range(1, 11))
    assert read_all(consumer, 3) == [*range(1, 11)]
    assert read_all(consumer) == []


def test_trim_never_goes_beyond_what_is_acknowledged(site: Site, consumer: Consumer) -> None:
    client, keys = connect(site), Keys(site.site)
    assert consumer.trim() == 0  # nothing there
    ids = send(site, range(1, 11))
    assert consumer.trim() == 0  # nothing delivered
    consumer.read(6, 20)
    assert consumer.trim() == 0  # nothing acknowledged
    consumer.ack(ids[:2] + ids[3:6])  # the third is not
    assert consumer.trim() == 2
    assert client.xlen(keys.tracklets) == 8
    consumer.ack([ids[2]])
    assert consumer.trim() == 4
    assert not drained(client, keys)
    consumer.ack([delivery.id for delivery in consumer.read(9, 20)])
    assert drained(client, keys)
    assert consumer.trim() == 4
    assert read_all(another(site)) == []
    assert drained(client, keys)


def test_poison_is_set_aside_with_its_reason(site: Site, consumer: Consumer) -> None:
    client, keys = connect(site), Keys(site.site)
    send(site, range(1, 3))
    poison = [
        client.xadd(keys.tracklets, {"m": b"\x63 from the future" + bytes(500)}),
        client.xadd(keys.tracklets, {"other": "field"}),
    ]
    send(site, range(3, 5))
    assert read_all(consumer) == [1, 2, 3, 4]
    letters = [fields for _, fields in client.xrange(keys.dead_letters)]
    assert [letter[b"id"] for letter in letters] == poison
    assert b"version 99" in letters[0][b"reason"]
    assert letters[0][b"head"].startswith(b"\x63 from the future")
    assert len(letters[0][b"head"]) <= 64
    assert letters[1][b"head"] == b"other"
    assert consumer.dead_letters == 2
    assert client.xpending(keys.tracklets, Keys.group)["pending"] == 4  # the good ones


def test_poison_left_by_a_dead_matcher_is_set_aside_too(site: Site, consumer: Consumer) -> None:
    client, keys = connect(site), Keys(site.site)
    client.xadd(keys.tracklets, {"m": b"?"})
    client.xreadgroup(Keys.group, "dead", {keys.tracklets: ">"})
    assert read_all(another(site)) == []
    assert client.xlen(keys.dead_letters) == 1
    assert drained(client, keys)


def test_a_lost_group_is_made_again(site: Site, consumer: Consumer) -> None:
    client = connect(site)
    send(site, range(1, 3))
    assert read_all(consumer) == [1, 2]
    client.flushall()
    send(site, range(3, 6))
    consumer.read(10, 20)  # finds it gone
    assert read_all(consumer) == [3, 4, 5]


def test_entries_deleted_while_pending_do_not_stop_it(site: Site, consumer: Consumer) -> None:
    client, keys = connect(site), Keys(site.site)
    ids = send(site, range(1, 6))
    consumer.read(5, 20)
    client.xdel(keys.tracklets, *ids[1:4])
    second = another(site)
    assert read_all(second) == [1, 5]
    second.ack([ids[0], ids[4]])
    assert drained(client, keys)


def test_a_restart_of_redis_delivers_again_what_was_not_acknowledged(
    site: Site, server: EmbeddedServer, consumer: Consumer
) -> None:
    ids = send(site, range(1, 6))
    consumer.read(5, 20)
    consumer.ack(ids[:2])
    client = connect(site)
    assert wait_for(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert wait_for(lambda: not server.alive)
    server.start()
    consumer.open()
    assert read_all(consumer) == [3, 4, 5]


def test_positions_are_announced(site: Site, consumer: Consumer) -> None:
    consumer.announce({})
    consumer.announce({"gate": Position(RUN, 7), "hall": Position(RUN, 1)})
    announced = connect(site).hgetall(Keys(site.site).committed)
    assert announced == {b"gate": f"{RUN}:7".encode(), b"hall": f"{RUN}:1".encode()}

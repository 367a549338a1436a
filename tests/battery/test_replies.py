#!/usr/bin/python3
"""Replies that are lost: a proxy between client and server cuts connections at random bytes of requests and of answers. The client
sends what has no answer again, with the same producer and seq; in the end every batch is there once.

A cut hit when batches were without an answer; whether the server had taken them, the client cannot know.
"""

import os
import random
import selectors
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import ledger as ledgers  # noqa: E402
from patron_test import WAIT_SECONDS, Client, RpcError, Server, check, main  # noqa: E402
from tally import Tally  # noqa: E402

IN_FLIGHT = 8
ROWS_MAX = 6
# Between two looks at everything.
JUDGE_EVERY = 1000
# Bytes of requests, of answers, after which a connection may be cut: some batches whole, some in the middle.
BYTES_UP, BYTES_DOWN = 4000, 1200


class Pair:
    """One connection on both sides of the proxy, and how much each way may carry."""

    def __init__(self, near, far, rng):
        self.near, self.far = near, far
        self.left = {near: 1 << 40, far: 1 << 40}
        if rng.randrange(3) == 0:
            self.left[near] = rng.randrange(1, BYTES_UP)
        else:
            self.left[far] = rng.randrange(1, BYTES_DOWN)


class Proxy(threading.Thread):
    """Carries bytes both ways until a connection's number is up; then both sides are reset."""

    def __init__(self, server, rng):
        super().__init__(daemon=True)
        self.target, self.rng = (server.host, server.port), rng
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.cuts, self.stopping = 0, False

    def run(self):
        while not self.stopping:
            for key, _ in self.selector.select(0.2):
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj.fileno() >= 0:
                    self._carry(key.fileobj, key.data)

    def _accept(self):
        near, _ = self.listener.accept()
        far = socket.create_connection(self.target, WAIT_SECONDS)
        pair = Pair(near, far, self.rng)
        for side in (near, far):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(side, selectors.EVENT_READ, pair)

    def _carry(self, side, pair):
        other = pair.far if side is pair.near else pair.near
        try:
            data = side.recv(1 << 16)
            if data:
                other.sendall(data[:pair.left[side]])
                pair.left[side] -= len(data)
                if pair.left[side] > 0:
                    return
                self.cuts += 1
        except OSError:
            pass
        for end in (pair.near, pair.far):
            self.selector.unregister(end)
            # No farewell: what was under way is lost, as with a cable.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()

    def stop(self):
        self.stopping = True
        self.join()


def until_cut(tally, proxy, book, waiting):
    """One connection's life. `waiting` are the batches that have no answer yet; gives how many it was cut with."""
    client = Client(proxy.address)
    sent = {}
    try:
        for batch in waiting.values():
            sent[client.send("load." + batch.table, batch.params)] = batch
        while True:
            while len(sent) < IN_FLIGHT:
                batch = book.next()
                waiting[batch.number] = batch
                sent[client.send("load." + batch.table, batch.params)] = batch
            msgid, error, answer = client.receive()
            batch = sent.pop(msgid)
            if error is not None:
                raise RpcError(error)
            book.acknowledge(batch, answer)
            del waiting[batch.number]
    except (ConnectionError, OSError):
        pass
    client.close()
    tally.fault("connection cut", len(waiting) > 0)


def settle(server, book, waiting):
    """Everything is sent once more, without the proxy, and must be there once."""
    client = server.client()
    there = book.judge(client)
    book.resolve(client, there)
    check(not book.judge(client), "batches without an answer are left")
    book.judge_aggregates(client)
    client.close()
    waiting.clear()


def one_server(tally, rng):
    server = Server().start()
    book, proxy, waiting = ledgers.Ledger(rng, rows_max=ROWS_MAX), Proxy(server, random.Random(rng.random())), {}
    proxy.start()
    while tally.go_on() and len(book.batches) < ledgers.BATCHES_MAX - 2 * IN_FLIGHT:
        until_cut(tally, proxy, book, waiting)
        tally.cycles += 1
        if tally.cycles % JUDGE_EVERY == 0:
            settle(server, book, waiting)
    settle(server, book, waiting)
    proxy.stop()
    server.stop()
    server.forget()
    tally.extra["batches"] = tally.extra.get("batches", 0) + len(book.batches)


def run():
    tally = Tally("replies", 200, 1000, 10000)
    while tally.go_on():
        tally.holds(one_server, tally, tally.rng(tally.cycles))
    tally.finish()


if __name__ == "__main__":
    main(run)

"""MessagePack-RPC to a patrond, one call at a time."""
import socket
import sys
import time

import msgpack


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unpacker, self.id = msgpack.Unpacker(raw=False, max_buffer_size=1 << 30), 0

    def call(self, method, params):
        self.id += 1
        self.socket.sendall(msgpack.packb([0, self.id, method, [params]]))
        while True:
            for _, msgid, error, result in self.unpacker:
                assert msgid == self.id
                if error is not None:
                    sys.exit(f"patrond: {method}: {error}")
                return result
            self.unpacker.feed(self.socket.recv(1 << 20))

    def settle(self, seconds=240):
        """Until what the server does in the background after a load is done: the peers' tables are merged, too. Chunks that are
        being packed show in the memory of the orders, which then goes down."""
        orders, since = None, 0
        for _ in range(seconds * 10):
            status = self.call("status", {})
            runs, now = status["runs"], status["memory"]["orders"]
            since = since + 1 if now == orders else 0
            orders = now
            if runs["count"] <= 1 and runs["tail_rows"] == 0 and not runs["making"] and since >= 30:
                return
            time.sleep(0.1)

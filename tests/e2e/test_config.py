#!/usr/bin/env python3
"""config.reload and SIGHUP: what is read again, what changes at once, what a restart would change, what cannot be read."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, WAIT_SECONDS, check, equal, main, patron, temp_dir  # noqa: E402


class Configured(Server):
    """Its options stand in a file."""

    def __init__(self, folder):
        super().__init__()
        self.path = os.path.join(folder, "patrond.conf")

    def command(self, **_):
        return [self.binary, "--config", self.path, "--data", self.data]

    def write(self, **options):
        with open(self.path, "w") as file:
            file.writelines("%s = %s\n" % (name.replace("_", "-"), value) for name, value in options.items())


def add_user(path, name, role, password="x"):
    done = os.spawnvpe(os.P_WAIT, os.environ["PATRON"], ["patron", "user", "add", name, "--role", role, "--file", path],
                       {**os.environ, "PATRON_PASSWORD": password})
    equal(done, 0, "patron user add " + name)


def log_tells(server, mark, text, what):
    end = time.monotonic() + WAIT_SECONDS
    while text not in server.log_since(mark):
        check(time.monotonic() < end, "the log does not tell %s: %r", what, server.log_since(mark))
        time.sleep(0.1)


def settings_change(server, client):
    same = {"listen": "127.0.0.1:0", "memory": "256M", "workers": "2", "log_level": "info"}
    mark = server.log_size()
    client.call("hello", {"client": "not told"})
    equal(client.call("config.reload"), {"changed": [], "restart": [], "failed": []}, "nothing changed")
    server.write(**{**same, "memory": "300M", "workers": "3", "log_level": "debug", "snapshot_every": "7m", "verify_every": "5h", "connections": "50"})
    answer = client.call("config.reload")
    equal(sorted(answer["changed"]), ["connections", "log-level", "memory", "snapshot-every", "verify-every"], "what changed")
    equal(client.call("status")["scrub"]["every_ms"], 5 * 3600 * 1000, "how often it verifies")
    equal(answer["restart"], ["workers"], "what a restart would change")
    check("event=hello" not in server.log_since(mark), "the log told of it: %r", server.log_since(mark))
    memory = client.call("status")["memory"]
    equal(memory["limit"], 300 << 20, "the limit of memory")
    check(200 << 20 <= memory["budget"] < memory["limit"], "and what accounts may hold of it: %r", memory)
    equal(client.call("hello")["limits"]["connections_max"], 50, "the limit of connections")
    mark = server.log_size()
    client.call("hello", {"client": "told"})
    log_tells(server, mark, 'level=debug event=hello client="told"', "more than before")
    server.write(**same)
    answer = client.call("config.reload")
    equal((len(answer["changed"]), answer["restart"]), (5, []), "and back: %r" % answer)


def what_cannot_be_read_changes_nothing(server, client):
    server.write(listen="127.0.0.1:0", memory="lots")
    said = client.fails("config.reload", code="BAD_REQUEST", names=["memory", "lots", "line 2"])
    check(server.path in said.text, "the file is named: %s", said)
    equal(client.call("status")["memory"]["limit"], 256 << 20, "the limit of memory")
    os.remove(server.path)
    client.fails("config.reload", code="BAD_REQUEST", names=["cannot be read"])
    mark = server.log_size()
    server.process.send_signal(signal.SIGHUP)
    log_tells(server, mark, "config-not-reloaded", "what SIGHUP could not do")
    equal(client.call("ping"), "pong", "and the server goes on")


def users_change(folder):
    path, socket = os.path.join(folder, "users"), os.path.join(folder, "patron.sock")
    for name, role in (("ana", "reader"), ("leo", "loader"), ("root", "admin")):
        add_user(path, name, role)
    server = Configured(folder)
    server.write(listen="127.0.0.1:0", users=path, unix=socket)
    server.start()
    environment = {**os.environ, "PATRON_PASSWORD": "x"}

    def call(name, method, expect=0):
        return patron(server, "--user", name, "call", method, expect=expect, env=environment)

    for name in ("ana", "leo"):
        check("it takes an admin" in call(name, "config.reload", expect=1)[2], "%s may not", name)
    add_user(path, "new", "reader")
    check('"users"' in call("root", "config.reload")[1] and call("new", "count")[0] == 0, "a user that is new")
    with open(path, "a") as file:
        file.write("damaged\n")
    out = call("root", "config.reload")[1]
    check('"failed"' in out and "line" in out and '"changed": []' in out.replace("[\n  ]", "[]"), "a damaged file: %s", out)
    equal(call("new", "count")[0], 0, "changes nothing")
    server.write(listen="127.0.0.1:0", unix=socket)
    check('"users"' in call("root", "config.reload")[1].split('"restart"')[1], "no users at all is for a restart")
    check("login" in patron(server, "count", expect=1)[2], "and nobody gets in without a login meanwhile")
    server.stop()


def run():
    folder = temp_dir()
    server = Configured(folder)
    server.write(listen="127.0.0.1:0", memory="256M", workers="2", log_level="info")
    server.start()
    client = server.client()
    settings_change(server, client)
    what_cannot_be_read_changes_nothing(server, client)
    client.close()
    server.stop()
    users_change(folder)
    print("ok  settings and users, read again", flush=True)


if __name__ == "__main__":
    main(run)

#!/usr/bin/env python3
"""Logging in: users and roles, what a stranger may do, who guesses, users that change while the server runs."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time

import msgpack

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Client, Server, check, equal, main, program, temp_dir  # noqa: E402

READS = [("count", {}), ("group", {"by": []}), ("rows", {"fields": ["customer"]}), ("rfm.grid", {}), ("customer", {"customer": "a"}),
         ("batch", {"calls": [["count", {}]]}), ("filter.parse", {"text": "net > 1"}), ("clv.fits", {})]
LOADS = [("load.customers", {"producer": "p", "seq": 1, "columns": {"customer": ["a"]}}), ("schema.add", {"table": "customers", "name": "x", "type": "int"})]
BOTH = [("status", {}), ("schema", {}), ("control", {"table": "orders", "by": "day"}), ("load.state", {"producer": "p"}), ("cancel", {"msgid": 1})]
ADMIN = [("config.reload", {}), ("snapshot.save", {}), ("snapshot.list", {}), ("verify", {}), ("clv.use", {"name": "x"}), ("rfm.map.save", {"name": "x", "groups": {}})]


def user(path, *arguments, password=None, expect=0):
    env = {**os.environ, **({"PATRON_PASSWORD": password} if password is not None else {})}
    if password is None:
        env.pop("PATRON_PASSWORD", None)
    done = subprocess.run([program("PATRON"), "user", *arguments, "--file", path], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    equal(done.returncode, expect, "patron user %s; it said %s" % (" ".join(arguments), done.stderr.decode()))
    return done.stdout.decode() if expect == 0 else done.stderr.decode()


def command(server, name, password, *arguments, expect=0):
    done = subprocess.run([program("PATRON"), "--connect", server.address(), "--user", name, *arguments], stdin=subprocess.DEVNULL,
                          env={**os.environ, "PATRON_PASSWORD": password}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if expect is None:  # whatever comes
        return (done.stderr or done.stdout).decode()
    equal(done.returncode, expect, "patron --user %s %s; it said %s" % (name, " ".join(arguments), done.stderr.decode()))
    return done.stdout.decode() if expect == 0 else done.stderr.decode()


def the_file(folder):
    path = os.path.join(folder, "users")
    equal(user(path, "list"), "", "no file is nobody")
    user(path, "add", "ana", password="one")
    user(path, "add", "leo", "--role", "loader", password="two")
    user(path, "add", "root,=", "--role", "admin", password="p\u00e4ss w\u00f6rd")
    equal(user(path, "list"), "ana reader\nleo loader\nroot,= admin\n", "who is there")
    equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the file")
    with open(path) as file:
        text = file.read()
    check("one" not in text.replace("none", "") and "SCRAM-SHA-256$10000:" in text, "no password stands in the file")
    check("password" in user(path, "add", "bob", expect=1), "without a password and a terminal")
    check("empty" in user(path, "add", "bob", password="", expect=1), "an empty password")
    check("role" in user(path, "add", "bob", "--role", "king", password="x", expect=2), "a role that there is none of")
    check("no user 'bob'" in user(path, "remove", "bob", expect=1), "removing nobody")
    check("name" in user(path, "add", "a b", password="x", expect=2), "a name with a space")
    at_once = [subprocess.Popen([program("PATRON"), "user", "add", "temp%d" % i, "--file", path], stdin=subprocess.DEVNULL,
                                env={**os.environ, "PATRON_PASSWORD": "x"}) for i in range(12)]
    equal([one.wait(120) for one in at_once], [0] * 12, "twelve users added at once")
    for i in range(12):
        user(path, "remove", "temp%d" % i)
    os.chmod(path, 0o644)
    check("chmod 600" in user(path, "list", expect=1), "a file that others can read")
    os.chmod(path, 0o600)
    return path


@contextlib.contextmanager
def connected(server):
    client = server.client()
    yield client
    client.close()


def ask(client, method, params=None):
    """(error, result)"""
    client.send(method, params)
    return client.receive()[1:]


def refused(client, method, params, code="AUTH"):
    error, _ = ask(client, method, params)
    check(error is not None and error.startswith(code + ": "), "%s should be refused with %s: %r", method, code, error)
    return error


def ended(client):
    """Whatever still comes, the server closes."""
    try:
        while True:
            client.receive()
    except ConnectionError:
        return True


def strangers(server):
    """Before login: hello and ping, nothing else, no big frame, no long stay."""
    for method, params in READS + LOADS + BOTH + ADMIN:
        with connected(server) as client:
            check("login" in refused(client, method, params), "%s says what is missing", method)
    with connected(server) as client:
        equal(ask(client, "hello", {})[1]["login_needed"], True, "hello says so")
        equal(ask(client, "ping")[1], "pong", "ping")
        client.raw(msgpack.packb([0, 9, "hello", [{"client": "x" * 5000}]]))
        check(ended(client), "a frame of 5,000 bytes ends a stranger's connection")
    start = time.monotonic()  # before the server can have seen it
    with connected(server) as client:
        check(ended(client), "a connection that does not log in ends")
        check(time.monotonic() - start > 4, "but not before its time")
    with connected(server) as client:
        check("mechanism" in refused(client, "auth.start", {"mechanism": "PLAIN", "data": "x"}, "BAD_REQUEST"), "another mechanism")
        refused(client, "auth.finish", {"data": "c=biws"})
    with connected(server) as client:
        refused(client, "auth.start", {"mechanism": "SCRAM-SHA-256", "data": "p=tls,,n=a,r=12345678"})
        check(ended(client), "a message that is none ends the connection")


NONCE = "abcdefgh12345678"


def first(client, name):
    """Sends auth.start; server_first(client) gives what comes of it."""
    client.send("auth.start", {"mechanism": "SCRAM-SHA-256", "data": "n,,n=%s,r=%s" % (name, NONCE)})


def server_first(client):
    _, error, result = client.receive()
    equal(error, None, "auth.start")
    return result["data"]


def proof(said, name, password):
    pairs = dict(part.split("=", 1) for part in said.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(pairs["s"]), int(pairs["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    bare = "c=biws,r=" + pairs["r"]
    whole = "n=%s,r=%s,%s,%s" % (name, NONCE, said, bare)
    signed = hmac.digest(hashlib.sha256(key).digest(), whole.encode(), "sha256")
    return bare + ",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, signed))).decode()


def side_by_side(server):
    """Tries that began before the first one failed are not all looked at, not even the right one among them."""
    clients = [server.client() for _ in range(40)]
    for client in clients:
        first(client, "leo")
    said = [server_first(client) for client in clients]
    proofs = [proof(said[i], "leo", "two" if i == 30 else "guess%d" % i) for i in range(len(clients))]
    for client, data in zip(clients, proofs):
        client.send("auth.finish", {"data": data})
    answers = [client.receive()[1:] for client in clients]
    wrong = sum(error == "AUTH: wrong user or password" for error, _ in answers)
    equal([result for error, result in answers if error is None], [], "the right proof among many wrong ones at once")
    check(1 <= wrong <= 4, "%d of 40 proofs that came together were looked at", wrong)
    for client in clients:
        client.close()


def log_in(client, name, password):
    """(error, result) of auth.finish, or of auth.start when that is refused."""
    first(client, name)
    _, error, result = client.receive()
    return (error, None) if error is not None else ask(client, "auth.finish", {"data": proof(result["data"], name, password)})


def elsewhere(server):
    """Wrong names from one address make nobody wait at another."""
    stranger = "p=" + base64.b64encode(bytes(32)).decode()
    for i in range(300):
        client = server.client(source="127.0.0.66")
        first(client, "x%d" % (i % 150))
        _, error, result = client.receive()
        if error is None:
            ask(client, "auth.finish", {"data": "c=biws,r=%s,%s" % (result["data"].split(",")[0][2:], stranger)})
        client.close()
    for i in range(20):
        client = server.client(source="127.0.0.%d" % (100 + i))
        equal(log_in(client, "leo", "two")[0], None, "a right password at another address")
        client.close()


def guesses(server):
    for name in ("ana", "nobody"):
        says = command(server, name, "wrong", "status", expect=1)
        equal(says, "AUTH: wrong user or password\n", "a wrong password of %s" % name)
    slowed = [command(server, "ana", "wrong", "status", expect=1) for _ in range(8)]
    check(any("try again in" in text for text in slowed), "who guesses has to wait: %r", slowed)
    equal(command(server, "leo", "two", "call", "ping"), '"pong"\n', "another user does not")
    for _ in range(100):  # the wait ends
        done = subprocess.run([program("PATRON"), "--connect", server.address(), "--user", "ana", "count"], stdin=subprocess.DEVNULL,
                              env={**os.environ, "PATRON_PASSWORD": "one"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        if done.returncode == 0:
            return
        time.sleep(0.2)
    check(False, "the right password is never taken again: %s", done.stderr)


def roles(server):
    for name, password, allowed in (("ana", "one", [READS, BOTH]), ("leo", "two", [LOADS, BOTH]), ("root,=", "p\u00e4ss w\u00f6rd", [READS, LOADS, BOTH, ADMIN])):
        for calls in (READS, LOADS, BOTH, ADMIN):
            for method, params in calls:
                done = subprocess.run([program("PATRON"), "--connect", server.address(), "--user", name, "call", method, json.dumps(params)],
                                      stdin=subprocess.DEVNULL, env={**os.environ, "PATRON_PASSWORD": password}, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, timeout=60)
                auth = done.stderr.startswith(b"AUTH: ")
                equal(auth, calls not in allowed, "%s calls %s: %s" % (name, method, done.stderr.decode()))
                if auth:
                    check(b"it takes a" in done.stderr, "the refusal says who may: %s", done.stderr.decode())


def roles_in_batches(server):
    """Whatever a call may not do by itself it may not do as one of a batch; those beside it are answered."""
    methods = [method["name"] for method in json.loads(command(server, "root,=", "p\u00e4ss w\u00f6rd", "call", "schema"))["methods"]]
    check("verify" in methods and "load.orders" in methods, "schema lists the methods: %r", methods)
    forms = dict(READS + LOADS + BOTH + ADMIN)
    for name, password in (("ana", "one"), ("root,=", "p\u00e4ss w\u00f6rd")):
        alone = {method: "AUTH: " in command(server, name, password, "call", method, json.dumps(forms[method]), expect=None) for method in forms}
        calls = [["count", {}]] + [[method, forms.get(method, {})] for method in methods] + [["count", {}]]
        answers = json.loads(command(server, name, password, "call", "batch", json.dumps({"calls": calls})))["answers"]
        check("count" in answers[0] and "count" in answers[-1], "%s: what stands beside a refusal is answered", name)
        for (method, _), answer in zip(calls[1:-1], answers[1:-1]):
            check("error" in answer or not alone.get(method), "%s may not call %s, and does in a batch: %r", name, method, answer)
        verified = answers[1 + methods.index("verify")]
        equal(verified.get("error", {}).get("code"), "AUTH" if name == "ana" else None, "verify of %s in a batch" % name)
    check("a loader may not call batch" in command(server, "leo", "two", "call", "batch", json.dumps({"calls": [["control", {"table": "orders", "by": "day"}]]}),
                                                   expect=1), "a loader has no batches")


def changed_password(server, path):
    """Who came in with the old password, or is about to, is out."""
    inside, halfway, other = server.client(), server.client(), server.client()
    equal(log_in(inside, "new", "three")[0], None, "a login")
    equal(log_in(other, "leo", "two")[0], None, "another user's login")
    first(halfway, "new")
    said = server_first(halfway)
    user(path, "add", "new", password="four")
    server.process.send_signal(signal.SIGHUP)
    check(inside.closed_within(60), "a session of the old password goes on")
    refused(halfway, "auth.finish", {"data": proof(said, "new", "three")})
    equal(ask(other, "status")[0], None, "another user's session")
    for client in (inside, halfway, other):
        client.close()


def changes(server, path):
    """SIGHUP: the file is read again; a damaged one changes nothing."""
    user(path, "add", "new", password="three")
    command(server, "new", "three", "count", expect=1)
    server.process.send_signal(signal.SIGHUP)
    for _ in range(100):
        done = subprocess.run([program("PATRON"), "--connect", server.address(), "--user", "new", "count"], stdin=subprocess.DEVNULL,
                              env={**os.environ, "PATRON_PASSWORD": "three"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        if done.returncode == 0:
            break
        time.sleep(0.2)
    equal(done.returncode, 0, "a user that was added while the server runs")
    changed_password(server, path)
    with open(path) as file:
        good = file.read()
    with open(path, "w") as file:
        file.write(good + "damaged\n")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    command(server, "new", "four", "count")
    with open(path, "w") as file:
        file.write(good)


def with_unix(path):
    """Over a unix socket the server's own user needs no login: the kernel says who it is."""
    folder = temp_dir()
    address = os.path.join(folder, "patron.sock")
    server = Server(extra=["--users", path, "--unix", address]).start()
    client = Client(address)
    equal(client.call("snapshot.list") is not None, True, "an admin by the kernel's word")
    client.close()
    server.stop()
    with open(os.path.join(folder, "empty"), "w"):
        pass
    os.chmod(os.path.join(folder, "empty"), 0o600)
    code, said = Server(extra=["--users", os.path.join(folder, "empty")]).refused()
    check(code == 1 and "nobody" in said, "a users file with nobody in it: %r", said)


def run():
    path = the_file(temp_dir())
    server = Server(extra=["--users", path]).start()
    with_unix(path)
    strangers(server)
    guesses(server)
    side_by_side(server)
    elsewhere(server)
    roles(server)
    roles_in_batches(server)
    changes(server, path)
    server.stop()
    print("ok  users, roles, strangers, guesses", flush=True)


if __name__ == "__main__":
    main(run)

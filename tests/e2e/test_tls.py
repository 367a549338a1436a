#!/usr/bin/env python3
"""TLS: who may listen where, certificates good and bad, clients of other makers, what is no handshake, logins bound to
their connection, slow and greedy clients, certificates that change while the server runs."""

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import select
import signal
import socket
import ssl
import subprocess
import sys
import time

import msgpack

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Client, Failed, RpcError, Server, Skip, check, equal, main, program, temp_dir  # noqa: E402

PASSWORD = "s3cret"
# Answers that wait for one client: up to the server's high water, in a buffer that doubles as it grows.
KEPT_BYTES = 16 << 20
# What the system may take of them: 4 MiB on the server's side, and little on that of a client that wants little.
SOCKET_BYTES = 5 << 20


# ---- certificates ----------------------------------------------------------------------------------------------------


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options).stdout


class Authority:
    """Signs certificates; `path` is its own."""

    def __init__(self, folder, name):
        self.folder, self.key, self.path = folder, os.path.join(folder, name + ".key"), os.path.join(folder, name + ".pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key, "-out", self.path,
                "-days", "30", "-subj", "/CN=" + name)

    def sign(self, name, names, kind=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), days="30"):
        """(certificate, key) for `names`, as in subjectAltName."""
        key, request, cert = (os.path.join(self.folder, name + end) for end in (".key", ".csr", ".pem"))
        openssl("req", "-newkey", *kind, "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=" + name)
        extensions = os.path.join(self.folder, name + ".ext")
        with open(extensions, "w") as file:
            file.write("subjectAltName=%s\n" % names)
        openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key, "-CAcreateserial", "-out", cert, "-days", days,
                "-extfile", extensions)
        os.chmod(key, 0o600)
        return cert, key

    def context(self, **versions):
        context = ssl.create_default_context(cafile=self.path)
        for name, version in versions.items():
            setattr(context, name, version)
        return context


def patron(*arguments, expect=0, env=None):
    done = subprocess.run([program("PATRON"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                          env={**os.environ, **(env or {})})
    equal(done.returncode, expect, "patron %s; it said %s" % (" ".join(arguments), done.stderr.decode()))
    return (done.stdout if expect == 0 else done.stderr).decode()


def users_file(folder):
    path = os.path.join(folder, "users")
    patron("user", "add", "ana", "--role", "admin", "--file", path, env={"PATRON_PASSWORD": PASSWORD})
    return path


# ---- who may listen --------------------------------------------------------------------------------------------------


def what_may_be_served(folder, authority):
    cert, key = authority.sign("server", "DNS:localhost,IP:127.0.0.1")
    users = users_file(folder)
    for extra, words in (([], ["missing: --tls-cert FILE and --tls-key FILE, and --users"]),
                         (["--users", users], ["missing: --tls-cert FILE and --tls-key FILE"]),
                         (["--tls-cert", cert, "--tls-key", key], ["missing: --users", "patron user add"])):
        for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:7411", "tls://192.0.2.1:7411"):
            code, said = Server(extra=extra).refused(listen=[address])
            check(code == 1 and all(word in said for word in words), "%s with %r: %r", address, extra, said)
    code, said = Server().refused(listen=["tls://127.0.0.1:0"])
    check(code == 1 and "--tls-cert" in said, "tls:// without a certificate: %r", said)
    for extra, word in ((["--tls-cert", cert], "--tls-key"), (["--tls-key", key], "--tls-cert")):
        code, said = Server(extra=extra).refused()
        check(code == 2 and word in said and "together" in said, "one of two files: %r", said)
    other = authority.sign("other", "DNS:other")[1]
    open_key = os.path.join(folder, "open.key")
    with open(key) as source, open(open_key, "w") as target:
        target.write(source.read())
    os.chmod(open_key, 0o644)
    for pair, word in (((cert, other), "key"), ((key, key), "certificate"), ((cert, cert), "key"), (("/nowhere", key), "/nowhere"),
                       ((cert, "/nowhere"), "/nowhere"), ((cert, open_key), "everybody")):
        code, said = Server(extra=["--tls-cert", pair[0], "--tls-key", pair[1]]).refused(listen=["tls://127.0.0.1:0"])
        check(code == 1 and word in said, "%r: %r", pair, said)
    return cert, key, users


# ---- clients ---------------------------------------------------------------------------------------------------------


def orders(seq, rows):
    return {"producer": "tls", "seq": seq, "columns": {"order": ["o%d" % i for i in range(rows)], "customer": ["c%d" % (i % 1000) for i in range(rows)],
            "time": ["2024-05-%02dT10:00:00Z" % (i % 28 + 1) for i in range(rows)], "amount": ["1.50"] * rows, "currency": ["GBP"] * rows}}


def our_own_client(server, folder, authority):
    address, other = server.address(), Authority(folder, "stranger")
    tls = "tls://" + address
    equal(patron("--connect", address, "--tls-ca", authority.path, "call", "ping"), '"pong"\n', "patron --tls-ca")
    equal(patron("--connect", tls, "--tls-insecure", "call", "ping"), '"pong"\n', "patron --tls-insecure")
    equal(patron("--connect", tls, "call", "ping", env={"SSL_CERT_FILE": authority.path}), '"pong"\n', "the system's authorities")
    equal(patron("--connect", "tls://localhost:%d" % server.port, "--tls-ca", authority.path, "call", "ping"), '"pong"\n', "by name")
    for arguments, word in ((["--tls-ca", other.path], "certificate is not good"), (["--tls"], "certificate is not good"),
                            (["--tls-ca", authority.path, "--tls-name", "example.com"], "certificate is not good"),
                            (["--tls-ca", "/nowhere"], "/nowhere")):
        said = patron("--connect", tls, *arguments, "call", "ping", expect=1)
        check(said.startswith("IO: ") and word in said, "%r: %r", arguments, said)
    said = patron("--connect", address, "call", "ping", expect=1)
    check("tls://" in said and "--tls" in said, "a plain client at a port with TLS is told: %r", said)
    check("unix socket" in patron("--connect", "/tmp/x.sock", "--tls", "call", "ping", expect=1), "a unix socket has no TLS")


def plain_port(authority):
    server = Server().start()
    said = patron("--connect", server.address(), "--tls-ca", authority.path, "call", "ping", expect=1)
    check("no TLS with" in said, "TLS at a plain port: %r", said)
    equal(patron("--connect", server.address(), "call", "ping"), '"pong"\n', "and it goes on")
    server.stop()


def versions(server, authority):
    address = (server.host, server.port)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = Client(address, tls=authority.context(minimum_version=version, maximum_version=version))
        equal(client.call("ping"), "pong", "ping over %s" % version)
        client.close()
    done = subprocess.run(["openssl", "s_client", "-connect", server.address(), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(b"alert protocol version" in done.stdout, "TLS 1.1 is refused: %r", done.stdout)
    context = authority.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA:AES256-GCM-SHA384")  # no forward secrecy
    try:
        Client(address, tls=context)
        raise Failed("a cipher without forward secrecy was taken")
    except (ssl.SSLError, ConnectionError):
        pass


@contextlib.contextmanager
def s_client(server, authority, *arguments):
    process = subprocess.Popen(["openssl", "s_client", "-connect", server.address(), "-CAfile", authority.path, "-verify_return_error", *arguments],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    yield process
    process.kill()
    process.communicate()


def read_until(stream, wanted, seconds=60):
    got, end = b"", time.monotonic() + seconds
    while wanted not in got and time.monotonic() < end:
        if select.select([stream], [], [], 1)[0]:
            piece = os.read(stream.fileno(), 65536)
            if not piece:
                break
            got += piece
    check(wanted in got, "%r did not come: %r", wanted, got)
    return got


def the_other_client(server, authority):
    """openssl s_client: a ping through a pipe; no renegotiation; keys that are changed under way."""
    pong = msgpack.packb([1, 7, None, "pong"])
    with s_client(server, authority, "-quiet") as client:
        client.stdin.write(msgpack.packb([0, 7, "ping", []]))
        client.stdin.flush()
        read_until(client.stdout, pong)
    with s_client(server, authority, "-tls1_2") as client:
        read_until(client.stdout, b"Verify return code: 0")
        client.stdin.write(b"R\n")
        client.stdin.flush()
        read_until(client.stdout, b"renegotiation")
    with s_client(server, authority, "-tls1_3") as client:
        read_until(client.stdout, b"Verify return code: 0")
        for _ in range(40):
            client.stdin.write(b"K\n")
            client.stdin.flush()
            read_until(client.stdout, b"KEYUPDATE")
        client.stdin.write(msgpack.packb([0, 7, "ping", []]) + b"\n")
        client.stdin.flush()
        read_until(client.stdout, pong)


def big_and_many(server, authority):
    """Big requests, big answers, many at once, cut anywhere: the same answers as over a plain connection."""
    context = authority.context()
    client = Client((server.host, server.port), tls=context)
    rows = 30000
    equal(client.call("load.orders", orders(1, rows))["new"], rows, "a batch of some megabytes")
    whole = client.call("rows", {"from": "orders", "fields": ["order", "customer", "time", "amount"], "limit": 10000, "as_of": "2025-01-01"})
    equal(len(whole["rows"]), 10000, "rows of a big answer")
    msgids = [client.send("rows", {"from": "orders", "fields": ["order"], "limit": 1000, "as_of": "2025-01-01"}) for _ in range(200)]
    msgids += [client.send("ping") for _ in range(50)]
    for msgid in msgids[:200]:
        equal(len(client.wait(msgid)["rows"]), 1000, "an answer of many")
    for msgid in msgids[200:]:
        equal(client.wait(msgid), "pong", "a ping of many")
    stream = b"".join(client.frame("count", {"where": "orders >= 1", "as_of": "2025-01-01"}, msgid)[1] for msgid in range(100))
    for at in range(0, len(stream), 7):
        client.raw(stream[at:at + 7])  # a record each
    equal(sorted(client.receive()[0] for _ in range(100)), list(range(100)), "requests in records of 7 bytes")
    client.close()


def kept_at_most(client):
    """What the server keeps for the network at the most, seen until it was not more for some looks."""
    most, quiet = 0, 0
    while quiet < 6:
        net = client.call("status")["memory"]["net"]
        quiet = quiet + 1 if net <= most else 0
        most = max(most, net)
        time.sleep(0.5)
    return most


def slow_readers(server, authority):
    """Somebody asks for much and reads nothing: the others are served, and what is kept for it is bounded."""
    context = authority.context()
    slow = Client((server.host, server.port), tls=context)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    slow.socket.settimeout(1)
    question, sent = ("rows", {"from": "orders", "fields": ["order", "customer", "time", "amount"], "limit": 5000, "as_of": "2025-01-01"}), 0
    with contextlib.suppress(TimeoutError):
        for _ in range(200):
            slow.send(*question)
            sent += 1
    good = Client((server.host, server.port), tls=context)
    kept = kept_at_most(good)
    check(kept < KEPT_BYTES, "kept for the network while one does not read: %d bytes", kept)
    for _ in range(20):
        equal(good.call("ping"), "pong", "the others")
    slow.socket.settimeout(120)
    answers = 0
    for _ in range(sent):
        rows = slow.receive()[2]["rows"]
        equal(len(rows), 5000, "what was asked is answered when it reads")
        answers += len(msgpack.packb(rows))
    check(answers > KEPT_BYTES + SOCKET_BYTES, "answers of %d bytes cannot show what is kept of them", answers)
    slow.close()
    good.close()


def deadlines_and_cancel(server, authority):
    client = Client((server.host, server.port), tls=authority.context())
    client.fails("count", {"min_lsn": 1 << 40, "deadline_ms": 50}, "DEADLINE")
    waiting = client.send("count", {"min_lsn": 1 << 40})
    equal(client.call("cancel", {"msgid": waiting}), {"cancelled": True}, "cancel")
    try:
        client.wait(waiting)
        raise Failed("the cancelled question was answered")
    except RpcError as error:
        equal(error.code, "CANCELLED", "what was cancelled")
    client.close()


# ---- what is no handshake --------------------------------------------------------------------------------------------


def closes(connection, seconds=20):
    """Reads until the other side closes; gives what came."""
    got = b""
    connection.settimeout(seconds)
    with contextlib.suppress(ConnectionError):
        while True:
            piece = connection.recv(65536)
            if not piece:
                break
            got += piece
    return got


def client_hello(authority):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def requests_behind_the_handshake(server, authority):
    """More of them than a handshake may have bytes, in one read with its last ones: they are requests, and answered."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    connection = socket.create_connection((server.host, server.port))
    connection.settimeout(60)
    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(1 << 16))
    count = 4000
    client.write(b"".join(msgpack.packb([0, msgid, "ping", []]) for msgid in range(count)))
    behind = outgoing.read()
    check(16384 < len(behind) < 65536, "%d bytes are more than a handshake's and less than a read's", len(behind))
    os.kill(server.process.pid, signal.SIGSTOP)
    connection.sendall(behind)
    os.kill(server.process.pid, signal.SIGCONT)
    answers, got = msgpack.Unpacker(raw=False), []
    while len(got) < count:
        try:
            answers.feed(client.read(1 << 16))
            got.extend(answers)
        except ssl.SSLWantReadError:
            piece = connection.recv(1 << 16)
            check(piece, "the server closed the connection after %d answers", len(got))
            incoming.write(piece)
    equal(sorted(got), [[1, msgid, None, "pong"] for msgid in range(count)], "answers to what came behind the handshake")
    connection.close()


def many_at_once(server, authority):
    """Handshakes that come together are done some in each turn of the loop, between what others ask; all of them."""
    hello, before, waiting = client_hello(authority), len(server.log_since(0)), []
    for _ in range(300):
        connection = socket.create_connection((server.host, server.port))
        connection.sendall(hello[:1])
        waiting.append(connection)
    time.sleep(0.5)  # they are let in, a few in each turn
    os.kill(server.process.pid, signal.SIGSTOP)
    for connection in waiting:
        connection.sendall(hello[1:])
    os.kill(server.process.pid, signal.SIGCONT)
    for connection in waiting:
        connection.settimeout(60)
        equal(connection.recv(1), b"\x16", "the server's part of a handshake")
        connection.close()
    check("event=handshakes-wait" in server.log_since(0)[before:], "they were all done in one turn")


def no_handshakes(server, authority):
    address, hello = (server.host, server.port), client_hello(authority)
    waiting = []
    for start in (b"", hello[:1], hello[:100], hello[:-1], hello):  # and nothing more
        connection = socket.create_connection(address)
        connection.sendall(start)
        waiting.append(connection)
    for data in (b"\x16\x03\x01\xff\xff" + b"x" * 70000, hello[:60] + b"\xff" * 2000, b"\x16" * 20000,
                 b"\x16\x03\x01\x00\x04\x01\x00\xff\xff" * 3000):
        connection = socket.create_connection(address)
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        closes(connection)
        connection.close()
    for data in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", msgpack.packb([0, 3, "hello", []])):
        connection = socket.create_connection(address)
        connection.sendall(data)
        said = msgpack.Unpacker(raw=False)
        said.feed(closes(connection))
        msgid, error = next(iter(said))[1:3]
        check(error.startswith("AUTH: ") and "tls://" in error, "plain bytes at a port with TLS: %r", error)
        equal(msgid, 3 if data[0] != 71 else 0, "msgid of the answer to %r" % data)
        connection.close()
    start = time.monotonic()
    for connection in waiting:
        closes(connection, 60)
        connection.close()
    check(time.monotonic() - start < 50, "handshakes that were begun do not stay")
    good = Client(address, tls=authority.context())
    equal(good.call("ping"), "pong", "and the server goes on")
    good.close()


# ---- logins ----------------------------------------------------------------------------------------------------------


def scram(client, header, binding, mechanism, user="ana", password=PASSWORD):
    """A login by hand; gives the role. RpcError when the server says no."""
    nonce = secrets.token_urlsafe(18)
    bare = "n=%s,r=%s" % (user, nonce)
    first = client.call("auth.start", {"mechanism": mechanism, "data": header + bare})["data"]
    parts = dict(part.split("=", 1) for part in first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
    final = "c=%s,r=%s" % (base64.b64encode(header.encode() + binding).decode(), parts["r"])
    message = ",".join((bare, first, final)).encode()
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    answer = client.call("auth.finish", {"data": final + ",p=" + base64.b64encode(proof).decode()})
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    equal(answer["data"], "v=" + base64.b64encode(hmac.digest(server_key, message, "sha256")).decode(), "the server's signature")
    return answer["role"]


def logins(cert, key, users, authority):
    server = Server(extra=["--users", users, "--tls-cert", cert, "--tls-key", key]).start(listen=["tls://127.0.0.1:0", "127.0.0.1:0"])
    environment = {"PATRON_PASSWORD": PASSWORD}
    equal(patron("--connect", server.addresses[0], "--tls-ca", authority.path, "--user", "ana", "call", "ping", env=environment), '"pong"\n',
          "patron logs in over TLS")
    check("wrong" in patron("--connect", server.addresses[0], "--tls-ca", authority.path, "--user", "ana", "call", "ping", expect=1,
                            env={"PATRON_PASSWORD": "wrong"}), "a wrong password over TLS")
    time.sleep(0.2)  # whoever failed waits 100 ms
    equal(patron("--connect", server.addresses[1], "--user", "ana", "call", "ping", env=environment), '"pong"\n', "and on the plain loopback")
    with open(cert) as file:
        end_point = hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).digest()
    plus, end = "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,"

    def attempt(*arguments, tls=True):
        time.sleep(0.2)  # failed logins make the next one wait
        for _ in range(100):
            client = Client((server.host, int(server.addresses[0 if tls else 1].rsplit(":", 1)[1])), tls=authority.context() if tls else None)
            try:
                check((plus.lower() in client.call("hello", {})["features"]) == tls, "features name the mechanism where there is TLS")
                return scram(client, *arguments)
            except RpcError as error:
                if "try again in" not in error.text:
                    return error.text
                time.sleep(0.1)
            finally:
                client.close()
        raise Failed("the wait after failed logins never ends")

    equal(attempt(end, end_point, plus), "admin", "bound to the certificate")
    equal(attempt("n,,", b"", "SCRAM-SHA-256"), "admin", "not bound")
    for arguments, word in (((end, hashlib.sha256(b"another").digest(), plus), "another connection"), ((end, b"", plus), "another connection"),
                            (("p=tls-unique,,", b"x", plus), "no such channel binding"), (("y,,", b"", "SCRAM-SHA-256"), "no friend"),
                            (("n,,", b"", plus), "do not agree"), ((end, end_point, "SCRAM-SHA-256"), "do not agree")):
        said = attempt(*arguments)
        check(word in said, "%r: %r", arguments, said)
    check("mechanism" in attempt(end, end_point, plus, tls=False), "no binding without TLS")
    server.stop()


# ---- certificates that change ----------------------------------------------------------------------------------------


def served(server, authority):
    client = Client((server.host, server.port), tls=authority.context())
    der = client.socket.getpeercert(binary_form=True)
    client.close()
    return der


def changes(folder, authority):
    cert, key = authority.sign("first", "DNS:localhost,IP:127.0.0.1")
    server = Server(extra=["--tls-cert", cert, "--tls-key", key]).start(listen=["tls://127.0.0.1:0"])
    before = served(server, authority)
    old = Client((server.host, server.port), tls=authority.context())
    for kind in (("rsa:2048",), ("ed25519",)):
        fresh_cert, fresh_key = authority.sign("second", "DNS:localhost,IP:127.0.0.1", kind)
        for source, target in ((fresh_key, key), (fresh_cert, cert)):
            os.replace(source, target)
        server.process.send_signal(signal.SIGHUP)
        for _ in range(200):
            after = served(server, authority)
            if after != before:
                break
            time.sleep(0.1)
        check(after != before, "a certificate that was replaced (%s)", kind)
        before = after
        equal(patron("--connect", server.addresses[0], "--tls-ca", authority.path, "call", "ping"), '"pong"\n', "with a key of kind %s" % (kind,))
    with open(cert, "w") as file:
        file.write("damaged\n")
    mark = server.log_size()
    server.process.send_signal(signal.SIGHUP)
    for _ in range(200):
        if "not-reloaded" in server.log_since(mark):
            break
        time.sleep(0.1)
    check("not-reloaded" in server.log_since(mark), "the log says so: %r", server.log_since(mark))
    equal(served(server, authority), before, "a damaged file changes nothing")
    equal(old.call("ping"), "pong", "a connection from before")
    old.close()
    server.stop()


# ---- off the loopback ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def address_of_its_own():
    """A network namespace with an address that is no loopback; only root may make one."""
    name, run = "patron-%d" % os.getpid(), lambda *words: subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        run("ip", "netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as reason:
        raise Skip("no network namespace: %s" % reason) from None
    try:
        run("ip", "-n", name, "addr", "add", "10.77.0.1/32", "dev", "lo")
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield ["ip", "netns", "exec", name]
    except subprocess.CalledProcessError as reason:
        raise Skip("no network namespace: %s" % reason.stderr.decode()) from None
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


class Elsewhere(Server):
    inside = ()

    def command(self, **options):
        return [*self.inside, *super().command(**options)]


def off_the_loopback(users, authority):
    cert, key = authority.sign("elsewhere", "IP:10.77.0.1")
    with address_of_its_own() as inside:
        server = Elsewhere(extra=["--users", users, "--tls-cert", cert, "--tls-key", key])
        server.inside = inside
        server.start(listen=["10.77.0.1:0"])
        check(server.addresses[0].startswith("tls://10.77.0.1:"), "the ready line says that it has TLS: %r", server.addresses)

        def ask(*arguments):
            return subprocess.run([*inside, program("PATRON"), "--connect", server.addresses[0], *arguments], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=120, env={**os.environ, "PATRON_PASSWORD": PASSWORD})

        equal(ask("--tls-ca", authority.path, "--user", "ana", "call", "ping").stdout, b'"pong"\n', "asked from off the loopback")
        check(b"login" in ask("--tls-ca", authority.path, "count").stderr, "nobody without a login")
        server.stop()


def run():
    folder = temp_dir()
    authority = Authority(folder, "authority")
    cert, key, users = what_may_be_served(folder, authority)
    print("ok  what may be served", flush=True)
    server = Server(extra=["--tls-cert", cert, "--tls-key", key, "--log-level", "debug"]).start(listen=["tls://127.0.0.1:0"])
    our_own_client(server, folder, authority)
    plain_port(authority)
    print("ok  our own client", flush=True)
    for case in (versions, the_other_client, big_and_many, slow_readers, deadlines_and_cancel, requests_behind_the_handshake, many_at_once,
                 no_handshakes):
        case(server, authority)
        print("ok  %s" % case.__name__.replace("_", " "), flush=True)
    server.stop()
    logins(cert, key, users, authority)
    print("ok  logins", flush=True)
    changes(folder, authority)
    print("ok  certificates that change", flush=True)
    try:
        off_the_loopback(users, authority)
        print("ok  off the loopback", flush=True)
    except Skip as reason:
        print("not run: off the loopback (%s)" % reason, flush=True)


if __name__ == "__main__":
    main(run)

"""What the Python tests share: a patrond of their own, a small MessagePack-RPC client, checks, seeds, skips.

A test is a program: main(run) turns what run() does into exit 0, 1 or 77 (skipped). Every process and directory made here
is ended and removed here, and nothing else is touched.
"""

import atexit
import contextlib
import json
import os
import random
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import msgpack

SKIPPED = 77
# How sanitizers begin, and how much of that is wanted: two stacks of each of two threads, and where they were made.
REPORT, REPORT_LINES = re.compile(r"(WARNING|ERROR): \w+Sanitizer|: runtime error: "), 400
READY = re.compile(r"^patrond (\S+) ready on (\S+)\s*$")
# Sanitizer builds are several times slower; nothing here measures time, so the waits are generous.
WAIT_SECONDS = float(os.environ.get("PATRON_TEST_WAIT", "120"))

_servers = []
_directories = []


class Skip(Exception):
    """Something this test needs is not here."""


class Failed(AssertionError):
    """A check did not hold; the text says both sides."""


class RpcError(Exception):
    """An error the server answered: code and text, and the raw error as it came."""

    def __init__(self, raw):
        self.raw = raw
        if isinstance(raw, dict):
            self.code, self.text = str(raw.get("code")), str(raw.get("message"))
        else:
            code, _, text = (raw if isinstance(raw, str) else repr(raw)).partition(": ")
            self.code, self.text = code, text
        super().__init__("%s: %s" % (self.code, self.text))


# ---- checks --------------------------------------------------------------------------------------------------------


def check(condition, text, *args):
    if not condition:
        raise Failed(text % args if args else text)


def equal(got, want, what):
    if got != want:
        raise Failed("%s: got %r, expected %r" % (what, got, want))


def size():
    """'short', 'normal' or 'full'."""
    value = os.environ.get("PATRON_TEST_SIZE", "normal")
    return value if value in ("short", "full") else "normal"


def by_size(short, normal, full=None):
    return {"short": short, "normal": normal, "full": normal if full is None else full}[size()]


def seed():
    """The seed of this run: PATRON_SEED replays one. Printed, so that a failure can be repeated."""
    value = os.environ.get("PATRON_SEED")
    value = int(value) if value else random.SystemRandom().randrange(1 << 32)
    print("seed %d (PATRON_SEED=%d repeats it)" % (value, value), flush=True)
    return value


def program(name):
    path = os.environ.get(name)
    if not path or not os.access(path, os.X_OK):
        raise Skip("%s does not name a program (it is %r)" % (name, path))
    return os.path.abspath(path)


def shared(*parts):
    """A file of the shared folder, or Skip."""
    root = os.environ.get("SHARED")
    path = os.path.join(root, *parts) if root else None
    if path is None or not os.path.exists(path):
        raise Skip("SHARED has no %s (it is %r)" % (os.path.join(*parts), root))
    return path


def flip(path, offset, bit):
    """One bit of one byte of a file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def temp_dir():
    path = tempfile.mkdtemp(prefix="patron-test-")
    _directories.append(path)
    return path


def main(run):
    """Runs a test program and exits with its result."""
    try:
        run()
        status = 0
    except Skip as reason:
        print("skipped: %s" % reason, flush=True)
        status = SKIPPED
    except Exception:  # the whole trace is what a reader of the log needs
        traceback.print_exc()
        for server in _servers:
            server.print_log()
        status = 1
    cleanup()
    sys.exit(status)


def cleanup():
    for server in list(_servers):
        server.kill()
    _servers.clear()
    while _directories:
        shutil.rmtree(_directories.pop(), ignore_errors=True)


atexit.register(cleanup)
# A test that ctest ends for its time must not leave its server behind.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


# ---- server --------------------------------------------------------------------------------------------------------


class Server:
    """One patrond on a free port. Its log goes to a file beside the data directory."""

    def __init__(self, data=None, timezone="Europe/London", currency="GBP", extra=()):
        self.binary = program("PATROND")
        self.data = data or os.path.join(temp_dir(), "data")
        self.timezone, self.currency, self.extra = timezone, currency, list(extra)
        self.log_path = self.data.rstrip("/") + ".log"
        self.process = self.version = self.host = self.port = self.addresses = None
        self.environment = None  # this process's own

    def command(self, listen=("127.0.0.1:0",), extra=()):
        line = [self.binary, "--data", self.data]
        if self.timezone:  # else the directory's own
            line += ["--timezone", self.timezone, "--base-currency", self.currency]
        for address in listen:
            line += ["--listen", address]
        return line + self.extra + list(extra)

    def spawn(self, **options):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(**options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=log, env=self.environment)
        if self not in _servers:
            _servers.append(self)

    def start(self, **options):
        """Starts and waits for the ready line."""
        self.spawn(**options)
        line = self._read_line()
        if not READY.match(line):
            code = self.process.wait(WAIT_SECONDS) if not line else self.process.poll()
            raise Failed("patrond did not say it is ready but %r (exit %r); log:\n%s" % (line, code, self.log_tail()))
        self._take_ready(line)
        return self

    def _take_ready(self, line):
        match = READY.match(line)
        self.version, self.addresses = match.group(1), match.group(2).split(",")
        tcp = next(a for a in self.addresses if not a.startswith("/") and ":" in a)
        self.host, port = (tcp[6:] if tcp.startswith("tls://") else tcp).rsplit(":", 1)
        self.host, self.port = self.host.strip("[]"), int(port)

    def _read_line(self):
        """First line of stdout, '' when it ended without one."""
        deadline, got = time.monotonic() + WAIT_SECONDS, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in got:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise Failed("patrond said nothing for %d s; log:\n%s" % (WAIT_SECONDS, self.log_tail()))
                piece = os.read(self.process.stdout.fileno(), 4096)
                if not piece:
                    break
                got += piece
        return got.decode("utf-8", "replace").splitlines()[0] if got else ""

    def refused(self, **options):
        """Starts a server that must not come up. Gives (exit code, what it said), or None when it did come up."""
        said = self.refused_or_up(**options)
        if said is None:
            self.kill()
        return said

    def refused_or_up(self, **options):
        """Starts a server that may or may not come up. Gives (exit code, what it said), or None when it is up."""
        mark = self.log_size()
        self.spawn(**options)
        line = self._read_line()
        if READY.match(line):
            self._take_ready(line)
            return None
        code = self.process.wait(WAIT_SECONDS)
        self.process.stdout.close()
        self.process = None
        return code, line + "\n" + self.log_since(mark)

    def stop(self):
        """SIGTERM; must exit 0."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WAIT_SECONDS)
        self.process.stdout.close()
        self.process = None
        equal(code, 0, "exit status after SIGTERM; log:\n%s" % self.log_tail())

    def kill(self):
        """SIGKILL, as a power cut without the disk's part in it."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT_SECONDS)
        self.process.stdout.close()
        self.process = None

    def forget(self):
        """Ends it for good: nobody will want its log."""
        self.kill()
        if self in _servers:
            _servers.remove(self)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def address(self):
        return "%s:%d" % (self.host, self.port)

    def client(self, **options):
        return Client((self.host, self.port), **options)

    def rss_bytes(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise Failed("no VmRSS of the server")

    # -- log

    def log_size(self):
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def log_since(self, mark):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(mark)
            return log.read().decode("utf-8", "replace")

    def log_tail(self, lines=40):
        """The end of the log; where a sanitizer reports something, that instead, which is longer."""
        said = self.log_since(0).splitlines()
        report = next((at for at, line in enumerate(said) if REPORT.search(line)), None)
        return "\n".join(said[-lines:] if report is None else said[report:report + REPORT_LINES])

    def print_log(self):
        tail = self.log_tail()
        ended = self.process.poll() if self.process is not None else None
        if ended is not None:
            print("---- the server ended by itself, status %d" % ended, flush=True)
        if tail:
            print("---- last lines of %s\n%s" % (self.log_path, tail), flush=True)


@contextlib.contextmanager
def serving(**options):
    """`with serving() as (server, client):` — a fresh server, stopped cleanly at the end."""
    server = Server(**options).start()
    client = server.client()
    yield server, client
    client.close()
    server.stop()


# ---- client --------------------------------------------------------------------------------------------------------


class Client:
    """A blocking MessagePack-RPC client that can also send what no good client would. `tls` is an ssl.SSLContext; `source` the
    address it comes from."""

    def __init__(self, address, timeout=None, tls=None, name="localhost", source=None):
        timeout = WAIT_SECONDS if timeout is None else timeout
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout, source_address=source and (source, 0))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=name)
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=True, max_buffer_size=1 << 30)
        self.msgid = 0
        self.waiting = {}

    def close(self):
        self.socket.close()

    def raw(self, data):
        self.socket.sendall(data)

    def frame(self, method, params=None, msgid=None):
        if msgid is None:
            self.msgid = msgid = (self.msgid + 1) & 0xFFFFFFFF
        return msgid, msgpack.packb([0, msgid, method, [] if params is None else [params]], use_bin_type=True)

    def send(self, method, params=None):
        msgid, data = self.frame(method, params)
        self.raw(data)
        return msgid

    def notify(self, method, *args):
        self.raw(msgpack.packb([2, method, list(args)], use_bin_type=True))

    def receive(self):
        """Next answer as it comes: (msgid, error, result). ConnectionError when the server closed."""
        while True:
            for message in self.unpacker:
                check(isinstance(message, list) and len(message) == 4 and message[0] == 1, "not an answer: %r", message)
                return message[1], message[2], message[3]
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise ConnectionError("the server closed the connection")
            self.unpacker.feed(piece)

    def wait(self, msgid):
        """Result of one request; answers to others are kept for their own wait()."""
        while msgid not in self.waiting:
            got, error, result = self.receive()
            self.waiting[got] = (error, result)
        error, result = self.waiting.pop(msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def call(self, method, params=None):
        return self.wait(self.send(method, params))

    def fails(self, method, params=None, code=None, names=()):
        """The call must be refused, with `code` (or one of a tuple), naming each of `names`. Gives the error."""
        try:
            result = self.call(method, params)
        except RpcError as error:
            codes = (code,) if isinstance(code, str) else code
            check(codes is None or error.code in codes, "%s %r: error %s, expected %s", method, params, error, code)
            for name in names:
                check(name in error.text, "%s %r: the error does not name %r: %s", method, params, name, error)
            return error
        raise Failed("%s %r was taken: %r" % (method, params, result))

    def closed_within(self, seconds=None):
        """Reads until the server closes; True when it does. Answers on the way are kept in `last_error`."""
        self.socket.settimeout(WAIT_SECONDS if seconds is None else seconds)
        self.last_error = None
        try:
            while True:
                _, error, _ = self.receive()
                if error is not None:
                    self.last_error = error
        except (ConnectionError, OSError) as end:
            return not isinstance(end, TimeoutError)
        except (Failed, ValueError):
            return False


def i64_column(values):
    return struct.pack("<%dq" % len(values), *values)


def u64_column(values):
    return struct.pack("<%dQ" % len(values), *values)


def dict_column(values):
    """{dict, codes}: width from the size of dict."""
    words = sorted(set(values))
    code = {word: i for i, word in enumerate(words)}
    width = "B" if len(words) <= 256 else "H" if len(words) <= 65536 else "I"
    return {"dict": words, "codes": struct.pack("<%d%s" % (len(values), width), *(code[v] for v in values))}


# ---- patron --------------------------------------------------------------------------------------------------------


def patron(server, *arguments, expect=0, env=None):
    """Runs the command line against a server. Gives (exit code, stdout, stderr)."""
    done = subprocess.run([program("PATRON"), "--connect", server.address(), *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_SECONDS * 5, env=env)
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if expect is not None:
        equal(done.returncode, expect, "exit status of patron %s; it said %s%s" % (" ".join(arguments), out, err))
    return done.returncode, out, err


def patron_json(server, *arguments):
    _, out, _ = patron(server, "--format", "json", *arguments)
    try:
        return json.loads(out)
    except ValueError:
        raise Failed("patron --format json %s printed no JSON document: %.300r" % (" ".join(arguments), out)) from None


def table_rows(status, table):
    """Rows of one table from `status`."""
    for holder in (status.get("rows"), status.get("tables"), status):
        if isinstance(holder, dict) and table in holder:
            value = holder[table]
            return value.get("rows") if isinstance(value, dict) else value
    raise Failed("status has no rows of %s: %r" % (table, status))

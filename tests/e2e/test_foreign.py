#!/usr/bin/python3
"""Clients that nobody here wrote, unmodified: Neovim, pynvim's msgpack_rpc, and the npm packages msgpack-rpc-lite and msgpack5rpc
where node and they are present (NODE_PATH, or a node_modules above the working directory). Each says hello, loads orders, counts,
groups, and reads an error."""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, Skip, check, equal, main, temp_dir  # noqa: E402

ORDERS = {"order": ["%s-1", "%s-2", "%s-3"], "customer": ["ann", "ann", 7], "time": ["2024-05-01", "2024-05-02T10:00:00Z", "2024-05-03"],
          "amount": ["10.00", 2.5, 30], "currency": ["GBP", "GBP", "GBP"], "country": ["GB", "GB", "BR"]}
COUNT = {"where": "orders >= 2", "as_of": "2024-05-31"}
GROUP = {"by": ["country"], "metrics": ["count", "sum(net)"], "as_of": "2024-05-31"}


def batch(name, seq=1):
    columns = dict(ORDERS, order=[order % name for order in ORDERS["order"]])
    return {"producer": name, "seq": seq, "columns": columns}


def calls(name):
    """What every client asks, as (method, params)."""
    return [("hello", {"client": name}), ("load.orders", batch(name)), ("count", COUNT), ("group", GROUP)]


def check_answers(name, answers, error, already):
    """`already`: clients before this one whose orders are there, too."""
    hello, loaded, counted, grouped = answers
    check(hello.get("version"), "%s: hello said %r", name, hello)
    equal((loaded["rows"], loaded["new"]), (3, 3), "%s: rows, new" % name)
    equal((counted["count"], counted["of"]), (2 if already else 1, 2), "%s: count, of" % name)
    equal(sorted(map(tuple, grouped["rows"])), [("BR", 1, 3000 * (already + 1)), ("GB", 1, 1250 * (already + 1))],
          "%s: groups" % name)
    check("UNKNOWN_METHOD: " in error and "cuont" in error, "%s read the error as %r", name, error)


# ---- Neovim --------------------------------------------------------------------------------------------------------

NVIM = """
let g:channel = sockconnect('tcp', '%(address)s', {'rpc': v:true})
if g:channel <= 0 | cquit 3 | endif
call rpcnotify(g:channel, 'nobody.knows', 1, {'two': 3})
let g:answers = []
for [method, params] in json_decode(readfile('%(calls)s')[0])
  call add(g:answers, rpcrequest(g:channel, method, params))
endfor
let g:error = ''
try
  call rpcrequest(g:channel, 'cuont')
catch
  let g:error = v:exception
endtry
call writefile([json_encode({'answers': g:answers, 'error': g:error})], '%(out)s')
qall!
"""


def neovim(server, already):
    nvim = shutil.which("nvim")
    if not nvim:
        raise Skip("no nvim")
    folder = temp_dir()
    names = {"address": server.address(), "calls": os.path.join(folder, "calls"), "out": os.path.join(folder, "out")}
    with open(names["calls"], "w") as out:
        json.dump(calls("nvim"), out)
    script = os.path.join(folder, "script.vim")
    with open(script, "w") as out:
        out.write(NVIM % names)
    environment = dict(os.environ, HOME=folder, XDG_STATE_HOME=folder, XDG_CONFIG_HOME=folder, XDG_DATA_HOME=folder)
    done = subprocess.run([nvim, "--headless", "-u", "NONE", "-i", "NONE", "-n", "-S", script], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=120, env=environment)
    check(os.path.exists(names["out"]), "nvim wrote nothing; exit %d, it said %r", done.returncode, done.stdout + done.stderr)
    with open(names["out"]) as text:
        result = json.load(text)
    check(len(result["answers"]) == 4, "nvim got %r; it said %r", result["answers"], done.stderr)
    check_answers("nvim", result["answers"], result["error"], already)


# ---- pynvim --------------------------------------------------------------------------------------------------------


def pynvim(server, already):
    try:
        from pynvim.msgpack_rpc import tcp_session
    except ImportError:
        raise Skip("no pynvim") from None
    # Opening it notifies nvim_set_client_info, which must be ignored.
    session = tcp_session(server.host, server.port)
    session.error_wrapper = lambda error: RuntimeError(error if isinstance(error, str) else repr(error))
    try:
        answers = [session.request(method, params) for method, params in calls("pynvim")]
        error = ""
        try:
            session.request("cuont")
        except RuntimeError as raised:
            error = str(raised)
        equal(session.request(b"ping"), "pong", "pynvim: a method name as bin")
    finally:
        session.close()
    check_answers("pynvim", answers, error, already)


# ---- node ----------------------------------------------------------------------------------------------------------

RPC_LITE = """
const rpc = require('msgpack-rpc-lite');
const [host, port, calls] = [process.argv[2], Number(process.argv[3]), JSON.parse(process.argv[4])];
const client = rpc.createClient(port, host);
(async () => {
  const answers = [];
  await client.notify('nobody.knows', 1);
  for (const [method, params] of calls) answers.push((await client.request(method, params))[0]);
  const error = await client.request('cuont').then(() => '', String);
  console.log(JSON.stringify({answers, error}));
  process.exit(0);
})().catch(e => { console.error(e); process.exit(1); });
"""
RPC_5 = """
const Session = require('msgpack5rpc');
const [host, port, calls] = [process.argv[2], Number(process.argv[3]), JSON.parse(process.argv[4])];
const socket = require('net').connect(port, host, () => {
  const session = new Session();
  session.attach(socket, socket);
  session.notify('nobody.knows', [1]);
  const ask = (method, args) => new Promise((take, fail) => session.request(method, args, (e, r) => e ? fail(e) : take(r)));
  (async () => {
    const answers = [];
    for (const [method, params] of calls) answers.push(await ask(method, [params]));
    const error = await ask('cuont', []).then(() => '', String);
    console.log(JSON.stringify({answers, error}));
    process.exit(0);
  })().catch(e => { console.error(e); process.exit(1); });
});
"""


def node(server, already, package, script):
    program = shutil.which("node")
    if not program:
        raise Skip("no node")
    # Resolved from where we stand, since the script itself lies in a temporary directory.
    found = subprocess.run([program, "-p", "require.resolve('%s', {paths: [process.cwd()]})" % package],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if found.returncode != 0:
        raise Skip("node has no %s" % package)
    path = os.path.join(temp_dir(), "client.js")
    with open(path, "w") as out:
        out.write(script.replace("require('%s')" % package, "require(%s)" % json.dumps(found.stdout.strip())))
    done = subprocess.run([program, path, server.host, str(server.port), json.dumps(calls(package))], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)
    equal(done.returncode, 0, "%s, exit status; it said %s" % (package, done.stderr))
    result = json.loads(done.stdout)
    check_answers(package, result["answers"], result["error"], already)


CLIENTS = [("Neovim", neovim), ("pynvim", pynvim),
           ("msgpack-rpc-lite", lambda server, already: node(server, already, "msgpack-rpc-lite", RPC_LITE)),
           ("msgpack5rpc", lambda server, already: node(server, already, "msgpack5rpc", RPC_5))]


def run():
    server = Server().start()
    ran = 0
    for name, client in CLIENTS:
        try:
            client(server, ran)
        except Skip as reason:
            print("skipped %s: %s" % (name, reason), flush=True)
            continue
        ran += 1
        print("ok  %s" % name, flush=True)
    server.stop()
    if ran == 0:
        raise Skip("no foreign client is here")


if __name__ == "__main__":
    main(run)

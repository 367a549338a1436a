#!/usr/bin/env python3
"""tools/check_layers notices each kind of line in the wrong room, and lets the right ones pass."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPO = pathlib.Path(__file__).resolve().parents[2]

ALLOWED = [
    ("src/base/hash.c", "<xxhash.h>"),
    ("src/model/date.c", '"base/text.h"'),
    ("src/kernel/avx2.c", "<immintrin.h>"),
    ("src/kernel/scalar.c", '"base/size.h"'),
    ("src/lifetime/fit.c", '"model/types.h"'),
    ("src/store/table.c", '"store/table_private.h"'),
    ("src/analytics/clv.c", '"lifetime/fit.h"'),
    ("src/proto/json.c", "<jansson.h>"),
    ("src/persist/journal.c", "<pthread.h>"),
    ("src/net/loop.c", "<uv.h>"),
    ("src/client/patron.c", "<patron/patron.h>"),
    ("src/main/patrond.c", '"engine/engine.h"'),
    ("tools/patron/load.c", "<zstd.h>"),
    ("tools/patron/load.c", '"load.h"'),
    ("include/patron/patron.h", "<stdint.h>"),
]

FORBIDDEN = [
    ("src/base/text.c", '"model/value.h"'),
    ("src/base/text.c", "<xxhash.h>"),
    ("src/model/date.c", '"store/table.h"'),
    ("src/model/date.c", '"base/clock.h"'),
    ("src/kernel/scalar.c", "<immintrin.h>"),
    ("src/kernel/kernel.h", '"base/mem.h"'),
    ("src/kernel/kernel.h", '"model/types.h"'),
    ("src/lifetime/fit.c", '"store/table.h"'),
    ("src/lifetime/fit.c", '"base/clock.h"'),
    ("src/store/table.c", '"base/fs.h"'),
    ("src/store/table.c", '"lifetime/fit.h"'),
    ("src/store/table.c", '"table.h"'),
    ("src/store/table.c", '"../base/text.h"'),
    ("src/ingest/load.c", '"persist/journal.h"'),
    ("src/analytics/rfm.c", '"ingest/ingest.h"'),
    ("src/analytics/rfm.c", '"store/table_private.h"'),
    ("src/persist/journal.c", '"analytics/rfm.h"'),
    ("src/persist/journal.c", '"base/clock.h"'),
    ("src/proto/frame.c", '"engine/engine.h"'),
    ("src/proto/frame.c", "<jansson.h>"),
    ("src/engine/engine.c", '"proto/wire.h"'),
    ("src/engine/engine.c", "<uv.h>"),
    ("src/engine/engine.c", "<pthread.h>"),
    ("src/net/loop.c", '"store/table.h"'),
    ("src/proto/scan.c", "<msgpack.h>"),
    ("src/client/client.c", '"engine/engine.h"'),
    ("src/client/client.c", "<uv.h>"),
    ("src/engine/engine.c", '"patron/patron.h"'),
    ("src/attic/old.c", '"base/text.h"'),
    ("src/loose.c", '"base/text.h"'),
    ("src/main/patrond.c", '"net/conn_private.h"'),
    ("tools/patron/main.c", "<uv.h>"),
    ("tools/patron/main.c", '"client/client_private.h"'),
    ("include/patron/patron.h", '"base/status.h"'),
]


def run(*lines):
    """check_layers over a tree that holds only `lines`."""
    with tempfile.TemporaryDirectory() as root:
        for path, header in lines:
            file = pathlib.Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as out:
                out.write(f"/* a comment first */\n#include {header}\n")
        return subprocess.run([REPO / "tools/check_layers", root], capture_output=True, text=True)


class CheckLayers(unittest.TestCase):
    def test_lines_in_their_room_pass(self):
        for line in ALLOWED:
            with self.subTest(line=line):
                answer = run(line)
                self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    def test_each_line_in_the_wrong_room_is_named(self):
        for path, header in FORBIDDEN:
            with self.subTest(path=path, header=header):
                answer = run((path, header))
                self.assertEqual(answer.returncode, 1, answer.stdout + answer.stderr)
                self.assertIn(f"{path}:", answer.stdout)
                self.assertIn("1 lines in the wrong room", answer.stdout)

    def test_one_wrong_line_among_right_ones_is_found(self):
        answer = run(*ALLOWED, FORBIDDEN[0])
        self.assertEqual(answer.returncode, 1, answer.stdout)

    def test_an_empty_tree_is_not_taken_for_order(self):
        self.assertEqual(run().returncode, 2)


if __name__ == "__main__":
    sys.exit(unittest.main())

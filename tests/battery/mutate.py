#!/usr/bin/python3
"""Takes out each sync and each checksum test of persist in turn, builds, and runs the tests that should notice.

    tests/battery/mutate.py [--only WORD] [--keep DIR]

Works on a copy of the tree. A mutation is a file, a text that stands in it exactly once (or the n-th time), and what takes its place.
The test programs run in order of their cost until one fails. Exit status 1 when some mutation was noticed by none, or does not apply any
more: then the list below is to be brought up to date.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# (program, arguments), cheapest first.
TESTS = [("crash_persist", ["--cycles", "1500", "--seed", "5"]), ("persist_test_disk", []), ("persist_test_snapshot", []),
         ("persist_test_faults", []), ("persist_test_recover", [])]
TEST_SECONDS = 900

MUTATIONS = [
    # name, file, text, replacement, which occurrence
    ("sync of a group", "journal.c", "    PAT_TRY(journal->file->ops->file_sync(journal->file, error));\n    journal->synced", "    journal->synced", 0),
    ("sync of a new journal file", "journal.c", "    PAT_TRY(journal->file->ops->file_sync(journal->file, error));\n    if (spare", "    if (spare", 0),
    ("sync_dir of a new journal file", "journal.c", "    return fs->ops->sync_dir(fs, error);", "    return PAT_OK;", 0),
    ("sync of what is written once more", "journal.c", "return status == PAT_OK ? file->ops->file_sync(file, error) : status;",
     "return status;", 0),
    ("rewriting what may be in the cache only", "journal.c", "found->proven_offset < found->end.offset", "false", 0),
    ("mark before acknowledging", "journal_thread.c", "    group_mark(persist);\n}", "}", 0),
    ("sync before rotating", "journal_thread.c", "    PAT_TRY(rotate_sync(persist, error));\n", "", 0),
    ("sync of a snapshot", "snapshot_write.c", "return w->file->ops->file_sync(w->file, w->error);", "return PAT_OK;", 0),
    ("sync_dir of a snapshot", "snapshot_write.c", "status = fs->ops->sync_dir(fs, error);", "status = PAT_OK;", 0),
    ("sync of a manifest", "manifest.c", "if (status == PAT_OK) status = file->ops->file_sync(file, error);", "", 0),
    ("sync_dir of a manifest", "manifest.c", "if (status == PAT_OK) status = fs->ops->sync_dir(fs, error);", "", 0),
    ("sync_dir at a start", "persist.c", "    PAT_TRY(persist->fs->ops->sync_dir(persist->fs, error));\n", "", 0),
    ("sync of what was wiped", "recover.c", "if (status == PAT_OK) status = file->ops->file_sync(file, error);", "", 0),
    ("wiping of a torn tail", "recover.c", "status = zero(file, found->end.offset, found->torn_bytes, error)", "status = PAT_OK", 0),
    ("no writing after a failure", "journal_thread.c", "    persist->file_failed = true;\n", "", 0),
    ("refusing after a failure", "journal_thread.c", "    persist->readonly = true;\n", "", 0),
    ("checksum of a record", "journal_scan.c", "pat_digest_equal(digest, header->digest) ?", "true ?", 0),
    ("check of a record's header", "journal.c",
     "    if (pat_get_u64(at + bytes - CHECK_FROM_END) != header_check(at, bytes, id)) return false;\n", "", 0),
    ("lsn of a record", "journal_scan.c",
     "if (header->lsn != end->lsn + (header->payload_bytes > 0) || header->durable_lsn > end->lsn) return PAT_OK;", "", 0),
    ("end of a closed file", "journal_scan.c", "!pat_digest_equal(end->chain, entry->end.chain)", "false", 0),
    ("length of a journal file", "journal_scan.c", "    PAT_TRY(check_length(s, error));\n", "", 0),
    ("what is proven behind a bad record", "journal_scan.c", "    PAT_TRY(proof_search(s, offset, error));\n",
     "    s->durable = s->scan->proven;\n    s->last_header_end = offset;\n", 0),
    ("reaching what was acknowledged", "journal_scan.c", "    return end_check(s, error);", "    return PAT_OK;", 0),
    ("checksum of a file header", "file.c", "!pat_digest_equal(pat_get_digest(bytes + DIGEST_OFFSET), pat_digest_of(bytes, DIGEST_OFFSET))",
     "false", 0),
    ("a file's id, number and lsn", "file.c", "memcmp(bytes, wanted, sizeof bytes) != 0", "false", 0),
    ("checksum of the manifest", "manifest.c", "!pat_digest_equal(stored, pat_digest_of(bytes, count))", "false", 0),
    ("a manifest that is rolled back", "persist.c", "if (status != PAT_OK || !holds) return status;", "return status;", 0),
    ("digest at a snapshot's end", "snapshot_read.c", "if (pat_digest_equal(s->chain, entry->chain)) return PAT_OK;", "return PAT_OK;", 0),
    ("length of a snapshot", "snapshot_read.c", "s->size != entry->bytes", "false", 0),
    ("checksum of a block", "snapshot_read.c",
     "    if (!pat_digest_equal(chain, pat_get_digest(s->block + 16))) return fail(s, s->offset, \"checksum does not match\");\n", "", 0),
    ("control totals of the footer", "snapshot_read.c", "pat_manifest__totals_equal(&totals, &load->totals) &&", "true &&", 0),
    ("control totals of the manifest", "snapshot_read.c", "pat_manifest__totals_equal(&totals, &load->entry->totals)", "true", 0),
    ("reading back after a failure", "snapshot_thread.c", "    if (status == PAT_OK) status = read_back(persist, &error);\n",
     "    (void)read_back;\n", 0),
    ("sequence of a block", "snapshot_read.c", "pat_get_u32(s->block + 12) != s->sequence", "false", 0),
    ("blocks read together follow each other", "snapshot_read.c", " && pat_digest_equal(own.chain, slot->after)", "", 0),
    ("sync before a clean stop", "persist.c",
     "    if (journal->synced.lsn < journal->written.lsn && pat_journal__sync(journal, NULL) != PAT_OK) return;\n", "", 0),
    ("sync of a mark that is made good", "journal.c", "at->offset, mark, sizeof mark, error));\n    return file->ops->file_sync(file, error);",
     "at->offset, mark, sizeof mark, error));\n    return PAT_OK;", 0),
    ("sync at intervals", "journal_thread.c", "    PAT_TRY(pat_journal__sync(journal, error));\n    return unsynced", "    return unsynced", 0),
    ("sync of a spare file", "space.c", "    return file->ops->file_sync(file, error);", "    return PAT_OK;", 0),
    ("sync of a copied file", "copy.c", "    return to->ops->file_sync(to, error);", "    return PAT_OK;", 0),
    ("sync_dir of a copy", "copy.c", "    PAT_TRY(copy->to->ops->sync_dir(copy->to, error));\n", "", 0),
    ("room before a group", "journal_thread.c", "event->status = pat_space__room(persist, persist->group.length, &event->error);",
     "event->status = PAT_OK;", 0),
]


def run(command, folder, seconds=None):
    try:
        return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds).returncode
    except subprocess.TimeoutExpired:
        return None


def build(tree):
    return run(["cmake", "--build", "build/mutate", "-j2", "--target"] + [name for name, _ in TESTS], tree)


def first_that_notices(tree):
    for name, arguments in TESTS:
        code = run([os.path.join(tree, "build/mutate/tests", name)] + arguments, tree, TEST_SECONDS)
        if code != 0:
            return name + (" (hangs)" if code is None else "")
    return None


def mutate(tree, name, path, text, replacement, nth):
    path = os.path.join(tree, "src/persist", path)
    with open(path) as file:
        whole = file.read()
    pieces = whole.split(text)
    if len(pieces) < 2 + nth:
        return "does not apply"
    with open(path, "w") as file:
        file.write(text.join(pieces[:nth + 1]) + replacement + text.join(pieces[nth + 1:]))
    try:
        if build(tree) != 0:
            return "does not build"
        return first_that_notices(tree)
    finally:
        with open(path, "w") as file:
            file.write(whole)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="mutations with this in their name")
    parser.add_argument("--keep", help="copy the tree to this folder and keep it")
    given = parser.parse_args()
    tree = given.keep or tempfile.mkdtemp(prefix="patron-mutate-")
    shutil.copytree(ROOT, tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".git"))
    missed = 0
    try:
        # Warnings are no errors here: what is taken out leaves names unused.
        run(["cmake", "-G", "Ninja", "-S", ".", "-B", "build/mutate", "-DCMAKE_BUILD_TYPE=Release", "-DPATRON_WERROR=OFF"], tree)
        if build(tree) != 0 or first_that_notices(tree) is not None:
            print("the tree as it is does not build, or its tests fail")
            return 1
        for name, *mutation in MUTATIONS:
            if given.only not in name:
                continue
            start = time.monotonic()
            noticed = mutate(tree, name, *mutation)
            good = noticed is not None and not noticed.startswith("does not")
            missed += not good
            print("%-44s %-28s %5.0f s" % (name, noticed or "NOT NOTICED", time.monotonic() - start), flush=True)
    finally:
        if not given.keep:
            shutil.rmtree(tree, ignore_errors=True)
    print("%d missed" % missed)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

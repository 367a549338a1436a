#!/usr/bin/python3
"""Takes out each sync and each checksum test of persist in turn, and the syncs outside of it; builds, and runs the tests that should notice.

    tests/battery/mutate.py [--only WORD,...] [--keep DIR]

Works on a copy of the tree. A mutation is a file, a text that stands in it exactly once, and what takes its place. The test that is expected
to notice runs first, the others until one fails. Exit status 1 when some mutation was noticed by none, or does not apply any
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
# The programs that look after persist, and their arguments, cheapest first; and those that look after what is synced elsewhere.
PERSIST = {"persist_test_journal": [], "persist_test_snapshot": [], "persist_test_disk": [], "crash_persist": ["--cycles", "1500", "--seed", "5"],
         "persist_test_faults": [], "persist_test_recover": []}
OUTSIDE = {"base_test_fs": [], "access_test_users": [], "test_syncs.py": []}
# What OUTSIDE needs beside its programs.
OUTSIDE_TARGETS = ["patrond", "patron", "battery_cut"]
TEST_SECONDS = 900

# Texts that stand in several files.
FILE_SYNC = "file->ops->file_sync(file, error)"
SYNC_IF_OK = "if (status == PAT_OK) status = %s;" % FILE_SYNC
SYNC_IS_LAST = "    return %s;" % FILE_SYNC
JOURNAL_SYNC = "    PAT_TRY(journal->file->ops->file_sync(journal->file, error));\n"
SYNC_DIR = "fs->ops->sync_dir(fs, error);"
# And what takes their place.
OK_IS_LAST = "    return PAT_OK;"

MUTATIONS = [
    # what is taken out, file, text, replacement, the test that is expected to notice: it runs first
    ("sync of a group", "journal.c", JOURNAL_SYNC + "    journal->synced", "    journal->synced", "crash_persist"),
    ("sync of a new journal file", "journal.c", JOURNAL_SYNC + "    if (spare", "    if (spare", "crash_persist"),
    ("sync_dir of a new journal file", "journal.c", "    return " + SYNC_DIR, OK_IS_LAST, "crash_persist"),
    ("sync of what is written once more", "journal.c", "return status == PAT_OK ? %s : status;" % FILE_SYNC, "return status;", "crash_persist"),
    ("rewriting what may be in the cache only", "journal.c", "found->proven_offset < found->end.offset", "false", "crash_persist"),
    ("mark before acknowledging", "journal_thread.c", "    group_mark(persist);\n}", "}", "crash_persist"),
    ("sync before rotating", "journal_thread.c", "    PAT_TRY(rotate_sync(persist, error));\n", "", "crash_persist"),
    ("sync of a snapshot", "snapshot_pieces.c", "    return file->ops->file_sync(file, error);\n}\n\nvoid", "    return PAT_OK;\n}\n\nvoid", "crash_persist"),
    ("sync_dir of a snapshot", "snapshot_write.c", "status = " + SYNC_DIR, "status = PAT_OK;", "persist_test_disk"),
    ("sync of a manifest", "manifest.c", SYNC_IF_OK, "", "crash_persist"),
    ("sync_dir of a manifest", "manifest.c", "if (status == PAT_OK) status = " + SYNC_DIR, "", "crash_persist"),
    ("sync_dir at a start", "persist.c", "    PAT_TRY(persist->fs->ops->sync_dir(persist->fs, error));\n", "", "persist_test_faults"),
    ("sync of what was wiped", "journal.c", ": journal->file->ops->file_sync(journal->file, error);", ": PAT_OK;", "persist_test_recover"),
    ("wiping behind the end", "journal.c", "if (status == PAT_OK && (killed || ", "if (false && (killed || ", "persist_test_recover"),
    ("sync of a mark that is made good", "journal.c", "at->offset, mark, sizeof mark, error));\n" + SYNC_IS_LAST,
     "at->offset, mark, sizeof mark, error));\n" + OK_IS_LAST, "persist_test_recover"),
    ("sync at intervals", "journal_thread.c", "    enum pat_status status = pat_journal__sync(&persist->journal, &error);\n    if (status == PAT_OK && mark)",
     "    enum pat_status status = PAT_OK;\n    if (status == PAT_OK && mark)", "persist_test_disk"),
    ("sync before a clean stop", "persist.c",
     "    if (journal->synced.lsn < journal->written.lsn && pat_journal__sync(journal, NULL) != PAT_OK) return;\n", "", "crash_persist"),
    ("sync of a spare file", "space.c", SYNC_IS_LAST, OK_IS_LAST, "persist_test_disk"),
    ("sync of a copied file", "copy.c", "    return to->ops->file_sync(to, error);", OK_IS_LAST, "persist_test_recover"),
    ("sync_dir of a copy", "copy.c", "    PAT_TRY(copy->to->ops->sync_dir(copy->to, error));\n", "", "persist_test_recover"),
    ("room before a group", "journal_thread.c", "event->status = pat_space__room(persist, persist->group.length, &event->error);",
     "event->status = PAT_OK;", "persist_test_disk"),
    ("no writing after a failure", "journal_thread.c", "    persist->file_failed = true;\n", "", "crash_persist"),
    ("refusing after a failure", "journal_thread.c", "    persist->readonly = true;\n", "", "persist_test_disk"),
    ("reading back after a failure", "snapshot_thread.c", "    if (status == PAT_OK) status = read_back(persist, &error);\n",
     "    (void)read_back;\n", "persist_test_disk"),
    ("not relying on what was found damaged", "persist.c", "    pat_verify__shun(persist);\n", "", "persist_test_recover"),
    ("checksum of a record", "journal_scan.c", "if (pat_digest_equal(digest, header->digest)) return PAT_OK;",
     "if (pat_digest_equal(digest, header->digest) || true) return PAT_OK;", "crash_persist"),
    ("check of a record's header", "journal.c",
     "    if (pat_get_u64(at + bytes - CHECK_FROM_END) != header_check(at, bytes, id)) return false;\n", "", "crash_persist"),
    ("lsn of a record", "journal_scan.c",
     "if (header->lsn != end->lsn + (header->payload_bytes > 0) || header->durable_lsn > end->lsn) return PAT_OK;", "", "persist_test_journal"),
    ("end of a closed file", "journal_scan.c", "!pat_digest_equal(end->chain, entry->end.chain)", "false", "persist_test_journal"),
    ("length of a journal file", "journal_scan.c", "    PAT_TRY(check_length(s, error));\n", "", "persist_test_recover"),
    ("what is proven behind a bad record", "journal_scan.c", "    PAT_TRY(proof_search(s, offset, error));\n",
     "    s->durable = s->scan->proven;\n    s->last_header_end = offset;\n", "crash_persist"),
    ("reaching what was acknowledged", "journal_scan.c", "    return *done ? end_check(s, error) : PAT_OK;",
     "    (void)end_check;\n" + OK_IS_LAST, "persist_test_journal"),
    ("checksum of a file header", "file.c", "!pat_digest_equal(pat_get_digest(bytes + DIGEST_OFFSET), pat_digest_of(bytes, DIGEST_OFFSET))",
     "false", "persist_test_journal"),
    ("a file's id, number and lsn", "file.c", "memcmp(bytes, wanted, sizeof bytes) != 0", "false", "persist_test_journal"),
    ("checksum of the manifest", "manifest.c", "!pat_digest_equal(stored, pat_digest_of(bytes, count))", "false", "crash_persist"),
    ("a manifest that is rolled back", "persist.c", "if (status != PAT_OK || !holds) return status;", "return status;", "persist_test_recover"),
    ("where a journal file ends that was followed by another", "recover.c", ".lsn_end = lsn_end,", ".lsn_end = lsn_end * 0,", "persist_test_disk"),
    ("naming a tail that nobody knows", "recover.c", "    pat_salvage__lost(out, where, -1, out->lsn + 1, 0, PAT_ROWS_UNKNOWN);\n", "    (void)where;\n",
     "persist_test_disk"),
    ("length of a snapshot", "snapshot_blocks.c", "s->size != entry->bytes", "false", "persist_test_snapshot"),
    ("checksum of a block", "snapshot_blocks.c",
     "    if (!pat_digest_equal(chain, pat_get_digest(s->block + 16)))\n"
     "        return pat_blocks__fail(s, s->offset, \"checksum does not match\");\n", "", "persist_test_snapshot"),
    ("sequence of a block", "snapshot_blocks.c", "pat_get_u32(s->block + 12) != s->sequence", "false", "persist_test_snapshot"),
    ("digest at a snapshot's end", "snapshot_blocks.c", "if (pat_digest_equal(s->chain, entry->chain)) return PAT_OK;", "return PAT_OK;",
     "persist_test_snapshot"),
    ("control totals of the footer", "snapshot_read.c", "pat_manifest__totals_equal(&totals, &load->totals) &&", "true &&", "persist_test_snapshot"),
    ("control totals of the manifest", "snapshot_read.c", "pat_manifest__totals_equal(&totals, &load->entry->totals)", "true",
     "persist_test_snapshot"),
    # outside of persist
    ("real sync of a file", "src/base/fs.c", "    if (sync_again(file->fd, fdatasync) != 0) return fail(error, file->fs, file->name, \"sync\", errno);\n",
     "    (void)file, (void)error;\n", "base_test_fs"),
    ("real sync_dir", "src/base/fs.c", "    if (sync_again(fs->dir_fd, fsync) != 0) return fail(error, fs, \".\", \"sync\", errno);\n", "    (void)fs, (void)error;\n",
     "base_test_fs"),
    ("real sync of a new directory's name", "src/base/fs.c", "parent < 0 || sync_again(parent, fsync) != 0 ? errno : 0", "parent < 0 ? errno : 0", "base_test_fs"),
    ("sync of the users file", "src/access/users.c", "fflush(file) == 0 && fsync(fileno(file)) == 0", "fflush(file) == 0", "access_test_users"),
    ("sync of the users file's name", "src/access/users.c", "    (void)fsync(fd);\n    (void)close(fd);", "    (void)close(fd);", "access_test_users"),
    ("sync of a file of a backup", "tools/patron/backup.c", "return f->file->ops->file_sync(f->file, &b->error);", "return PAT_OK;", "test_syncs.py"),
    ("sync_dir of a backup", "tools/patron/backup.c", "return b->fs->ops->sync_dir(b->fs, &b->error);", "return PAT_OK;", "test_syncs.py"),
    ("sync of a backup's name", "tools/patron/folder.c", "if (fd < 0 || fsync(fd) != 0) {", "if (fd < 0) {", "test_syncs.py"),
]


def run(command, folder, seconds=None):
    try:
        return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds).returncode
    except subprocess.TimeoutExpired:
        return None


def is_outside(path):
    """Files of persist go by their names alone."""
    return "/" in path


def tests_of(path):
    return OUTSIDE if is_outside(path) else PERSIST


def targets_of(path):
    return [name for name in tests_of(path) if not name.endswith(".py")] + (OUTSIDE_TARGETS if is_outside(path) else [])


def build(tree, path):
    return run(["cmake", "--build", "build/mutate", "-j2", "--target", *targets_of(path)], tree)


def test(tree, name, arguments):
    if name.endswith(".py"):
        return run(["/usr/bin/env", "PATRON=build/mutate/patron", "PATROND=build/mutate/patrond", "BATTERY_CUT_LIBRARY=build/mutate/tests/libbattery_cut.so",
                    sys.executable, os.path.join("tests/battery", name), *arguments], tree, TEST_SECONDS)
    return run([os.path.join(tree, "build/mutate/tests", name), *arguments], tree, TEST_SECONDS)


def first_that_notices(tree, path, expected=None):
    tests = tests_of(path)
    for name in sorted(tests, key=lambda one: one != expected):
        code = test(tree, name, tests[name])
        if code != 0:
            return name + (" (hangs)" if code is None else "")
    return None


def mutate(tree, path, text, replacement, expected):
    given, path = path, os.path.join(tree, path if is_outside(path) else os.path.join("src/persist", path))
    with open(path) as file:
        whole = file.read()
    if whole.count(text) != 1:
        return "does not apply"
    with open(path, "w") as file:
        file.write(whole.replace(text, replacement))
    try:
        if build(tree, given) != 0:
            return "does not build"
        return first_that_notices(tree, given, expected)
    finally:
        with open(path, "w") as file:
            file.write(whole)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="mutations with one of these in their name, with commas")
    parser.add_argument("--keep", help="copy the tree to this folder and keep it")
    given = parser.parse_args()
    tree = given.keep or tempfile.mkdtemp(prefix="patron-mutate-")
    shutil.copytree(ROOT, tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".git"))
    missed = 0
    try:
        # Warnings are no errors here: what is taken out leaves names unused.
        run(["cmake", "-G", "Ninja", "-S", ".", "-B", "build/mutate", "-DCMAKE_BUILD_TYPE=Release", "-DPATRON_WERROR=OFF"], tree)
        chosen = [one for one in MUTATIONS if any(word in one[0] for word in given.only.split(","))]
        for path in {is_outside(one[1]): one[1] for one in chosen}.values():
            if build(tree, path) != 0 or first_that_notices(tree, path) is not None:
                print("the tree as it is does not build, or its tests fail")
                return 1
        for name, *mutation in chosen:
            start = time.monotonic()
            noticed = mutate(tree, *mutation)
            good = noticed is not None and not noticed.startswith("does not")
            missed += not good
            print("| %s | %s | %.0f s |" % (name, noticed or "NOT NOTICED", time.monotonic() - start), flush=True)
    finally:
        if not given.keep:
            shutil.rmtree(tree, ignore_errors=True)
    print("%d missed" % missed)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

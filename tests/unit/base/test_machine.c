/* Limits of control groups, and what the process has. */
#include "base/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/patron-machine-XXXXXX";

static void put(const char *name, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = strchr(path + sizeof root, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_groups(void **state) {
    (void)state;
    if (mkdtemp(root) == NULL) return -1;
    put("a/b/c/memory.max", "max\n");
    put("a/b/memory.max", "3000000000\n");
    put("a/memory.max", "5000000000\n");
    put("memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/docker/memory.limit_in_bytes", "2000000000\n");
    put("alone/memory.max", "1000\n");
    return 0;
}

static int remove_groups(void **state) {
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static void the_least_limit_of_a_group_and_those_above_holds(void **state) {
    (void)state;
    assert_int_equal(pat_machine_group_limit("0::/a/b/c\n", root), 3000000000);
    assert_int_equal(pat_machine_group_limit("0::/a/b/c/", root), 3000000000);
    assert_int_equal(pat_machine_group_limit("0::/a\n", root), 5000000000);
    assert_int_equal(pat_machine_group_limit("0::/alone\n", root), 1000);
    assert_int_equal(pat_machine_group_limit("5:cpu,cpuacct:/alone\n4:memory:/docker/x\n0::/\n", root), 2000000000);
    assert_int_equal(pat_machine_group_limit("0::/nowhere\n", root), UINT64_MAX);
    assert_int_equal(pat_machine_group_limit("4:memoryx:/docker\nnonsense\n::\n\n", root), UINT64_MAX);
    assert_int_equal(pat_machine_group_limit("", root), UINT64_MAX);
}

static void a_process_has_memory_and_the_machine_has_more(void **state) {
    (void)state;
    const uint64_t before = pat_machine_resident();
    assert_in_range(before, 1 << 16, pat_machine_memory());
    const size_t bytes = (size_t)64 << 20;
    char *block = malloc(bytes);
    assert_non_null(block);
    memset(block, 1, bytes);
    assert_true(pat_machine_resident() > before + bytes / 2);
    assert_true(pat_machine_resident_max() >= bytes);
    free(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_least_limit_of_a_group_and_those_above_holds),
                                       cmocka_unit_test(a_process_has_memory_and_the_machine_has_more)};
    return cmocka_run_group_tests(tests, make_groups, remove_groups);
}

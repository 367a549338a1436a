#include "base/machine.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_BYTES 4096u
/* Of /proc/self/cgroup: a line for each of at most a dozen controllers. */
#define MEMBERSHIP_BYTES 16384u

static bool read_text(const char *path, char *out, size_t capacity) {
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    const size_t got = fread(out, 1, capacity - 1, file);
    (void)fclose(file);
    out[got] = '\0';
    return true;
}

/* The number in a file; UINT64_MAX when there is none, or the word "max". */
static uint64_t read_limit(const char *path) {
    char text[64];
    if (!read_text(path, text, sizeof text) || text[0] < '0' || text[0] > '9') return UINT64_MAX;
    return strtoull(text, NULL, 10);
}

/* Of a group and of all above it: a limit holds for what is below. */
static uint64_t limit_upwards(const char *root, const char *group, size_t group_length, const char *name) {
    uint64_t least = UINT64_MAX;
    for (;;) {
        char path[PATH_BYTES];
        const int length = snprintf(path, sizeof path, "%s%.*s/%s", root, (int)group_length, group, name);
        if (length > 0 && (size_t)length < sizeof path) {
            const uint64_t limit = read_limit(path);
            if (limit < least) least = limit;
        }
        if (group_length == 0) return least;
        while (group_length > 0 && group[group_length - 1] != '/') group_length--;
        if (group_length > 0) group_length--;
    }
}

/* "4:memory:/some/group" of the first version, where the controllers have directories of their own; "0::/some/group" of
 * the second. */
static uint64_t line_limit(const char *line, size_t length, const char *root) {
    const char *controllers = memchr(line, ':', length);
    if (controllers == NULL) return UINT64_MAX;
    controllers++;
    const char *group = memchr(controllers, ':', length - (size_t)(controllers - line));
    if (group == NULL) return UINT64_MAX;
    const size_t words = (size_t)(group - controllers);
    group++;
    size_t group_length = length - (size_t)(group - line);
    while (group_length > 0 && group[group_length - 1] == '/') group_length--;
    if (words == 0) return limit_upwards(root, group, group_length, "memory.max");
    if (words != 6 || memcmp(controllers, "memory", 6) != 0) return UINT64_MAX;
    char of_memory[PATH_BYTES];
    const int made = snprintf(of_memory, sizeof of_memory, "%s/memory", root);
    if (made < 0 || (size_t)made >= sizeof of_memory) return UINT64_MAX;
    return limit_upwards(of_memory, group, group_length, "memory.limit_in_bytes");
}

uint64_t pat_machine_group_limit(const char *membership, const char *root) {
    uint64_t least = UINT64_MAX;
    while (*membership != '\0') {
        const size_t length = strcspn(membership, "\n");
        const uint64_t limit = line_limit(membership, length, root);
        if (limit < least) least = limit;
        membership += length + (membership[length] == '\n');
    }
    return least;
}

uint64_t pat_machine_memory(void) {
    char membership[MEMBERSHIP_BYTES];
    const uint64_t whole = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (!read_text("/proc/self/cgroup", membership, sizeof membership)) return whole;
    const uint64_t limit = pat_machine_group_limit(membership, "/sys/fs/cgroup");
    return limit != 0 && limit < whole ? limit : whole;
}

uint64_t pat_machine_resident(void) {
    char text[128];
    unsigned long long size, resident;
    if (!read_text("/proc/self/statm", text, sizeof text) || sscanf(text, "%llu %llu", &size, &resident) != 2) return 0;
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t pat_machine_resident_max(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (uint64_t)usage.ru_maxrss * 1024; /* Linux counts it in KiB */
}

/* The kernel's; the C library has no name for it. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};
/* A tenth of what threads get by themselves. */
#define PROMPT_SLICE_NS UINT64_C(300000)

void pat_machine_be_prompt(void) {
    struct scheduling scheduling = {.size = sizeof scheduling};
    if (syscall(SYS_sched_getattr, 0, &scheduling, (unsigned)sizeof scheduling, 0u) != 0) return;
    scheduling.size = sizeof scheduling;
    scheduling.runtime_ns = PROMPT_SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &scheduling, 0u);
}

/* What the machine, or the container that this runs in, has and gives. */
#ifndef PAT_BASE_MACHINE_H
#define PAT_BASE_MACHINE_H

#include <stdint.h>

/* Bytes of memory that this process may take: the machine's, or less where a control group of it, or one above, has a
 * limit. */
uint64_t pat_machine_memory(void);
/* Bytes that it has in memory now, what it shares with files included; 0 when the system does not say. */
uint64_t pat_machine_resident(void);
/* The most that it ever had. */
uint64_t pat_machine_resident_max(void);

/* Asks that this thread gets a core sooner, and for less at a time, than others of the same priority do. From
 * Linux 6.12 on; others take no notice. */
void pat_machine_be_prompt(void);

/* The least limit of the groups that `membership` (text of /proc/self/cgroup) names, below `root` ("/sys/fs/cgroup");
 * UINT64_MAX: none. Both versions of control groups. For tests. */
uint64_t pat_machine_group_limit(const char *membership, const char *root);

#endif

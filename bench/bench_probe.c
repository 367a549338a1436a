/* What this machine can do at this moment, by itself: one JSON line that other programs stand their figures beside. */
#include "lib/options.h"
#include "lib/probe.h"

#include <stdio.h>

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    const double one = bench_probe_read(1, options.full), two = bench_probe_read(2, options.full);
    const struct bench_disk disk = bench_probe_disk(options.temp, options.full);
    bench_must(one > 0 && two > 0 && disk.write_bytes_per_s > 0, "nothing was measured");
    printf("{\"read_1_bytes_per_s\": %.0f, \"read_2_bytes_per_s\": %.0f, \"disk_write_bytes_per_s\": %.0f, "
           "\"disk_sync_us\": %.1f}\n",
           one, two, disk.write_bytes_per_s, disk.sync_us);
    return 0;
}

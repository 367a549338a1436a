/* patrond's command line and its configuration file: the same names, `--name value` or `--name=value` there, `name =
 * value` lines here. What stands on the command line wins over the file. */
#ifndef PAT_NET_OPTIONS_H
#define PAT_NET_OPTIONS_H

#include "base/log.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every network card of a large machine, and a socket file. */
#define PAT_OPTIONS_LISTEN_MAX 16u
/* All values of a configuration file together: some paths and a dozen short words. */
#define PAT_OPTIONS_TEXT_BYTES 8192u

/* More descriptors than any system gives to one process. */
#define PAT_OPTIONS_CONNECTIONS_MAX 1000000u

enum pat_option {
    PAT_OPTION_DATA,
    PAT_OPTION_LISTEN,
    PAT_OPTION_UNIX,
    PAT_OPTION_USERS,
    PAT_OPTION_TLS_CERT,
    PAT_OPTION_TLS_KEY,
    PAT_OPTION_MEMORY,
    PAT_OPTION_CONNECTIONS,
    PAT_OPTION_CONNECTIONS_PER_ADDRESS,
    PAT_OPTION_WORKERS,
    PAT_OPTION_SYNC,
    PAT_OPTION_SNAPSHOT_EVERY,
    PAT_OPTION_VERIFY_EVERY,
    PAT_OPTION_CPU,
    PAT_OPTION_TIMEZONE,
    PAT_OPTION_BASE_CURRENCY,
    PAT_OPTION_LOG_LEVEL,
    PAT_OPTION_LOG_FORMAT,
    PAT_OPTION_LOG_SLOW,
    PAT_OPTIONS_OF_FILE,
    PAT_OPTION_CONFIG = PAT_OPTIONS_OF_FILE,
    PAT_OPTION_SALVAGE, /* from here on without a value */
    PAT_OPTION_HELP,
    PAT_OPTION_VERSION,
    PAT_OPTIONS
};
/* "snapshot-every" */
extern const char *const pat_option_names[PAT_OPTIONS];

struct pat_options {
    const char *data;
    const char *listen[PAT_OPTIONS_LISTEN_MAX];
    unsigned listens;
    const char *unix_path; /* NULL = none */
    const char *users;     /* NULL = none */
    const char *tls_cert;  /* NULL = none; never one of these two alone */
    const char *tls_key;
    uint64_t memory_bytes;            /* 0 = the server's own choice, pat_options_memory */
    unsigned connections;             /* 0 = the server's own choice */
    unsigned connections_per_address; /* 0 = the server's own choice */
    unsigned workers;                 /* 0 = one for each processor */
    const char *sync;                 /* one of always, interval, never */
    uint64_t snapshot_every_ms;       /* 0 = never */
    uint64_t verify_every_ms;         /* 0 = never */
    uint64_t slow_ms;                 /* questions that take longer are logged; 0 = none */
    const char *cpu;
    const char *timezone;      /* NULL = the data directory's own */
    const char *base_currency; /* NULL = the data directory's own */
    enum pat_log_level log_level;
    enum pat_log_format log_format;
    const char *config;
    bool salvage; /* serve what is left */
    bool help, version;

    uint32_t given;                    /* bits of the options that the command line had */
    char text[PAT_OPTIONS_TEXT_BYTES]; /* values from the file */
    size_t text_bytes;
};

/* Reads the command line and the file that it names. Values are borrowed from argv or stand in `out`.
 * Fails: PAT_ERR_BAD_REQUEST (PAT_ERR_UNKNOWN_FIELD for a name there is none of), naming option, value and what was
 * expected. With help or version nothing else is looked at. */
enum pat_status pat_options_parse(struct pat_options *out, int argc, char *const *argv,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* Both say the same of this option. */
bool pat_options_same(const struct pat_options *a, const struct pat_options *b, enum pat_option option);
/* The limit on memory where the machine, or the container, has `there` bytes: the one that was given, or four fifths of
 * those; the fifth is left to the code, to what the allocator keeps, and to the system's cache of files. */
uint64_t pat_options_memory(const struct pat_options *options, uint64_t there);
/* So little, by the limit or by what there is, that an allocator must keep nothing in reserve. */
bool pat_options_memory_is_short(const struct pat_options *options, uint64_t there);
/* What --help prints. */
extern const char pat_options_help[];

/* "16G", "512M", "64K", "1048576". False for anything else and for what does not fit. */
bool pat_options_bytes(const char *text, uint64_t *out);
/* "30s", "15m", "1h", "7d", "0" for never. */
bool pat_options_interval_ms(const char *text, uint64_t *out);

#endif

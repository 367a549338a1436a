#include "net/options.h"

#include "base/text.h"
#include "net/workers_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A line of the file of options holds a path (PATH_MAX); messages repeat a screen's width of it. Once an hour is what
 * the help promises. */
#define LINE_BYTES                4096
#define SHOWN_BYTES               80
#define SNAPSHOT_EVERY_MS_DEFAULT UINT64_C(3600000)
/* A disk that rots does so in weeks; a day's reading of everything once wears nothing out. */
#define VERIFY_EVERY_MS_DEFAULT UINT64_C(86400000)
/* Somebody has waited. */
#define SLOW_MS_DEFAULT 1000u
/* A store that cannot hold a batch is of no use. */
#define MEMORY_BYTES_MIN (UINT64_C(64) << 20)
/* Below this, the 64 MiB that heaps keep for batches to come (main) are more than what is left beside the data. */
#define MEMORY_SHORT_BYTES (UINT64_C(1) << 30)

const char *const pat_option_names[PAT_OPTIONS] = {
    [PAT_OPTION_DATA] = "data",
    [PAT_OPTION_LISTEN] = "listen",
    [PAT_OPTION_UNIX] = "unix",
    [PAT_OPTION_USERS] = "users",
    [PAT_OPTION_TLS_CERT] = "tls-cert",
    [PAT_OPTION_TLS_KEY] = "tls-key",
    [PAT_OPTION_MEMORY] = "memory",
    [PAT_OPTION_CONNECTIONS] = "connections",
    [PAT_OPTION_CONNECTIONS_PER_ADDRESS] = "connections-per-address",
    [PAT_OPTION_WORKERS] = "workers",
    [PAT_OPTION_SYNC] = "sync",
    [PAT_OPTION_SNAPSHOT_EVERY] = "snapshot-every",
    [PAT_OPTION_VERIFY_EVERY] = "verify-every",
    [PAT_OPTION_CPU] = "cpu",
    [PAT_OPTION_TIMEZONE] = "timezone",
    [PAT_OPTION_BASE_CURRENCY] = "base-currency",
    [PAT_OPTION_LOG_LEVEL] = "log-level",
    [PAT_OPTION_LOG_FORMAT] = "log-format",
    [PAT_OPTION_LOG_SLOW] = "log-slow",
    [PAT_OPTION_CONFIG] = "config",
    [PAT_OPTION_SALVAGE] = "salvage",
    [PAT_OPTION_HELP] = "help",
    [PAT_OPTION_VERSION] = "version",
};

const char pat_options_help[] =
    "usage: patrond --data DIR [options]\n"
    "\n"
    "Serves the customer analytics store in DIR, which is made when it is not there.\n"
    "\n"
    "  --data DIR             the data directory; one process at a time\n"
    "  --listen HOST:PORT     address to serve, may be given more than once; port 0 takes a free one;\n"
    "                         127.0.0.1:7411 when neither --listen nor --unix is given. Loopback is plain, or\n"
    "                         TLS as tls://HOST:PORT; anything else is TLS, and needs the next three\n"
    "  --users FILE           who may log in, as `patron user` keeps it; TCP asks for a login then\n"
    "  --tls-cert FILE        certificate for TLS and those that lead to its root, PEM\n"
    "  --tls-key FILE         its key, PEM\n"
    "  --unix PATH            unix socket to serve\n"
    "  --memory SIZE          limit for data, buffers and questions together, e.g. 16G (80 % of the machine's)\n"
    "  --connections N        that are served at once (16384; fewer where descriptors are scarce)\n"
    "  --connections-per-address N  of them, those from one address (a quarter, and all for the loopback)\n"
    "  --workers N            threads that answer questions (one for each processor)\n"
    "  --sync WHEN            always: a batch is on disk before it is acknowledged; interval, never (always)\n"
    "  --snapshot-every TIME  30s, 15m, 1h, 7d; 0 for never (1h)\n"
    "  --verify-every TIME    hold files against their checksums and aggregates against the facts so often, while\n"
    "                         there is nothing else to do; what is damaged is written anew; 0 or off (1d)\n"
    "  --cpu NAME             auto, scalar, avx2, avx512 (auto)\n"
    "  --timezone ZONE        of a new data directory, e.g. Europe/London (UTC)\n"
    "  --base-currency CODE   of a new data directory, e.g. GBP (USD)\n"
    "  --log-level LEVEL      error, warn, info, debug (info)\n"
    "  --log-format FORMAT    logfmt, json (logfmt); one line an event on stderr, never customer data\n"
    "  --log-slow TIME        log questions that take longer, e.g. 200ms, 5s; 0 for none (1s)\n"
    "  --salvage              serve what is left of a damaged directory: nothing is written, and every answer\n"
    "                         says what is lost\n"
    "  --config FILE          lines of 'name = value' with the names above; the command line wins\n"
    "  --help, --version\n";

/* ---- values ----------------------------------------------------------------------------------------------------- */

/* Digits, then at most one letter; 0 when there is none. */
static bool number_parse(const char *text, uint64_t *out, char *unit) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || (text[digits] != '\0' && text[digits + 1] != '\0')) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (__builtin_mul_overflow(value, 10u, &value)) return false;
        if (__builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value)) return false;
    }
    *out = value;
    *unit = text[digits];
    return true;
}

bool pat_options_bytes(const char *text, uint64_t *out) {
    uint64_t value;
    char unit;
    if (!number_parse(text, &value, &unit)) return false;
    unsigned shift;
    switch (unit) {
    case '\0': shift = 0; break;
    case 'k':
    case 'K': shift = 10; break;
    case 'm':
    case 'M': shift = 20; break;
    case 'g':
    case 'G': shift = 30; break;
    default: return false;
    }
    return !__builtin_mul_overflow(value, UINT64_C(1) << shift, out);
}

bool pat_options_interval_ms(const char *text, uint64_t *out) {
    uint64_t value;
    char unit;
    if (!number_parse(text, &value, &unit)) return false;
    if (value == 0 && unit == '\0') {
        *out = 0;
        return true;
    }
    uint64_t seconds;
    switch (unit) {
    case 's': seconds = 1; break;
    case 'm': seconds = 60; break;
    case 'h': seconds = 3600; break;
    case 'd': seconds = 86400; break;
    default: return false;
    }
    /* A hundred years: nanoseconds of it still fit. */
    if (value > UINT64_C(36525) * 86400 / seconds) return false;
    *out = value * seconds * 1000;
    return true;
}

static enum pat_status refuse(struct pat_error *error, enum pat_option option, const char *value,
                              const char *expected) {
    char shown[SHOWN_BYTES];
    return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, pat_option_names[option], -1, -1, "--%s: \"%s\" is not %s",
                            pat_option_names[option], pat_text_printable(pat_text_of(value), shown, sizeof shown),
                            expected);
}

static bool is_one_of(const char *value, const char *const *words) {
    while (*words != NULL && strcmp(*words, value) != 0) words++;
    return *words != NULL;
}

static enum pat_status set_words(struct pat_options *out, enum pat_option option, const char *value,
                                 struct pat_error *error) {
    static const char *const syncs[] = {"always", "interval", "never", NULL};
    static const char *const cpus[] = {"auto", "scalar", "avx2", "avx512", NULL};
    if (option == PAT_OPTION_SYNC) {
        if (!is_one_of(value, syncs)) return refuse(error, option, value, "one of always, interval, never");
        out->sync = value;
    } else if (option == PAT_OPTION_CPU) {
        if (!is_one_of(value, cpus)) return refuse(error, option, value, "one of auto, scalar, avx2, avx512");
        out->cpu = value;
    } else if (option == PAT_OPTION_LOG_FORMAT) {
        int format = pat_log_format_parse(value);
        if (format < 0) return refuse(error, option, value, "one of logfmt, json");
        out->log_format = (enum pat_log_format)format;
    } else {
        int level = pat_log_level_parse(value);
        if (level < 0) return refuse(error, option, value, "one of error, warn, info, debug");
        out->log_level = (enum pat_log_level)level;
    }
    return PAT_OK;
}

/* Questions are answered in less than a second, mostly. */
static bool slow_parse(const char *text, uint64_t *out) {
    const size_t digits = strspn(text, "0123456789");
    char number[16];
    if (strcmp(text + digits, "ms") != 0) return pat_options_interval_ms(text, out);
    char unit;
    if (digits == 0 || digits >= sizeof number) return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    return number_parse(number, out, &unit);
}

static enum pat_status set_numbers(struct pat_options *out, enum pat_option option, const char *value,
                                   struct pat_error *error) {
    uint64_t number;
    char unit;
    if (option == PAT_OPTION_MEMORY) {
        if (!pat_options_bytes(value, &out->memory_bytes))
            return refuse(error, option, value, "a size such as 16G or 512M");
        if (out->memory_bytes < MEMORY_BYTES_MIN) return refuse(error, option, value, "enough; 64M is the least");
    } else if (option == PAT_OPTION_WORKERS) {
        if (!number_parse(value, &number, &unit) || unit != '\0' || number == 0 || number > PAT_WORKERS_MAX)
            return refuse(error, option, value, "a number from 1 to 256");
        out->workers = (unsigned)number;
    } else if (option == PAT_OPTION_CONNECTIONS || option == PAT_OPTION_CONNECTIONS_PER_ADDRESS) {
        if (!number_parse(value, &number, &unit) || unit != '\0' || number == 0 || number > PAT_OPTIONS_CONNECTIONS_MAX)
            return refuse(error, option, value, "a number from 1 to 1000000");
        *(option == PAT_OPTION_CONNECTIONS ? &out->connections : &out->connections_per_address) = (unsigned)number;
    } else if (option == PAT_OPTION_LOG_SLOW) {
        if (!slow_parse(value, &out->slow_ms)) return refuse(error, option, value, "a time such as 200ms or 5s, or 0");
    } else if (option == PAT_OPTION_VERIFY_EVERY) {
        if (!pat_options_interval_ms(strcmp(value, "off") == 0 ? "0" : value, &out->verify_every_ms))
            return refuse(error, option, value, "a time such as 12h or 7d, or off");
    } else if (!pat_options_interval_ms(value, &out->snapshot_every_ms)) {
        return refuse(error, option, value, "a time such as 30s, 15m, 1h or 7d, or 0 for never");
    }
    return PAT_OK;
}

static enum pat_status set_listen(struct pat_options *out, const char *value, struct pat_error *error) {
    if (out->listens == PAT_OPTIONS_LISTEN_MAX)
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "listen", -1, -1, "--listen: %u addresses are the most",
                                PAT_OPTIONS_LISTEN_MAX);
    out->listen[out->listens++] = value;
    return PAT_OK;
}

static enum pat_status set(struct pat_options *out, enum pat_option option, const char *value,
                           struct pat_error *error) {
    if (value[0] == '\0') return refuse(error, option, value, "a value");
    switch (option) {
    case PAT_OPTION_DATA: out->data = value; break;
    case PAT_OPTION_LISTEN: return set_listen(out, value, error);
    case PAT_OPTION_UNIX: out->unix_path = value; break;
    case PAT_OPTION_USERS: out->users = value; break;
    case PAT_OPTION_TLS_CERT: out->tls_cert = value; break;
    case PAT_OPTION_TLS_KEY: out->tls_key = value; break;
    case PAT_OPTION_TIMEZONE: out->timezone = value; break;
    case PAT_OPTION_BASE_CURRENCY: out->base_currency = value; break;
    case PAT_OPTION_CONFIG: out->config = value; break;
    case PAT_OPTION_SYNC:
    case PAT_OPTION_CPU:
    case PAT_OPTION_LOG_LEVEL:
    case PAT_OPTION_LOG_FORMAT: return set_words(out, option, value, error);
    case PAT_OPTION_MEMORY:
    case PAT_OPTION_CONNECTIONS:
    case PAT_OPTION_CONNECTIONS_PER_ADDRESS:
    case PAT_OPTION_WORKERS:
    case PAT_OPTION_SNAPSHOT_EVERY:
    case PAT_OPTION_VERIFY_EVERY:
    case PAT_OPTION_LOG_SLOW: return set_numbers(out, option, value, error);
    case PAT_OPTION_SALVAGE:
    case PAT_OPTION_HELP:
    case PAT_OPTION_VERSION:
    case PAT_OPTIONS: break;
    }
    return PAT_OK;
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* The option among the first `count`, with the nearest name in the error when there is none. */
static enum pat_status option_find(struct pat_text name, int count, enum pat_option *out, struct pat_error *error) {
    for (int i = 0; i < count; i++) {
        if (!pat_text_is(name, pat_option_names[i])) continue;
        *out = (enum pat_option)i;
        return PAT_OK;
    }
    char shown[SHOWN_BYTES];
    (void)pat_text_printable(name, shown, sizeof shown);
    int nearest = pat_text_nearest(name, pat_option_names, (size_t)count);
    return pat_error_set_at(error, PAT_ERR_UNKNOWN_FIELD, shown, -1, -1, "there is no option --%s%s%s", shown,
                            nearest >= 0 ? "; did you mean --" : "", nearest >= 0 ? pat_option_names[nearest] : "");
}

static enum pat_status command_line(struct pat_options *out, int argc, char *const *argv, struct pat_error *error) {
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strncmp(word, "--", 2) != 0 || word[2] == '\0') {
            char shown[SHOWN_BYTES];
            return pat_error_set(error, PAT_ERR_BAD_REQUEST, "\"%s\" is no option; options start with --",
                                 pat_text_printable(pat_text_of(word), shown, sizeof shown));
        }
        const char *equals = strchr(word, '=');
        size_t length = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        enum pat_option option = PAT_OPTION_HELP;
        PAT_TRY(option_find((struct pat_text){word + 2, length}, PAT_OPTIONS, &option, error));
        out->given |= 1u << option;
        out->help |= option == PAT_OPTION_HELP;
        out->version |= option == PAT_OPTION_VERSION;
        out->salvage |= option == PAT_OPTION_SALVAGE;
        if (option >= PAT_OPTION_SALVAGE) continue;
        if (equals == NULL && i + 1 == argc)
            return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, pat_option_names[option], -1, -1, "--%s needs a value",
                                    pat_option_names[option]);
        PAT_TRY(set(out, option, equals != NULL ? equals + 1 : argv[++i], error));
    }
    return PAT_OK;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static struct pat_text trim(struct pat_text text) {
    while (text.length > 0 && isspace((unsigned char)text.data[0]))
        text = (struct pat_text){text.data + 1, text.length - 1};
    while (text.length > 0 && isspace((unsigned char)text.data[text.length - 1])) text.length--;
    return text;
}

static const char *keep(struct pat_options *out, struct pat_text value) {
    if (value.length + 1 > sizeof out->text - out->text_bytes) return NULL;
    char *copy = out->text + out->text_bytes;
    memcpy(copy, value.data, value.length);
    copy[value.length] = '\0';
    out->text_bytes += value.length + 1;
    return copy;
}

static enum pat_status file_line(struct pat_options *out, struct pat_text line, struct pat_error *error) {
    line = trim(line);
    if (line.length == 0 || line.data[0] == '#') return PAT_OK;
    const char *equals = memchr(line.data, '=', line.length);
    if (equals == NULL) return pat_error_set(error, PAT_ERR_BAD_REQUEST, "expected 'name = value'");
    size_t before = (size_t)(equals - line.data);
    enum pat_option option = PAT_OPTION_HELP;
    PAT_TRY(option_find(trim((struct pat_text){line.data, before}), PAT_OPTIONS_OF_FILE, &option, error));
    if ((out->given & 1u << option) != 0) return PAT_OK;
    const char *value = keep(out, trim((struct pat_text){equals + 1, line.length - before - 1}));
    if (value == NULL) return pat_error_set(error, PAT_ERR_TOO_LARGE, "the values are too long");
    return set(out, option, value, error);
}

static enum pat_status file_fail(struct pat_error *error, const char *path, unsigned number) {
    char why[PAT_ERROR_MESSAGE_BYTES];
    memcpy(why, error->message, sizeof why);
    return pat_error_set(error, PAT_ERR_BAD_REQUEST, "--config: %.200s line %u: %.250s", path, number, why);
}

static enum pat_status config_file(struct pat_options *out, struct pat_error *error) {
    FILE *file = fopen(out->config, "re");
    if (file == NULL)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "--config: %.300s cannot be read: %s", out->config,
                             strerror(errno));
    char line[LINE_BYTES];
    enum pat_status status = PAT_OK;
    for (unsigned number = 1; status == PAT_OK && fgets(line, sizeof line, file) != NULL; number++) {
        size_t length = strlen(line);
        if (length + 1 == sizeof line && line[length - 1] != '\n') {
            status = pat_error_set(error, PAT_ERR_TOO_LARGE, "the line is too long");
        } else {
            status = file_line(out, (struct pat_text){line, length}, error);
        }
        if (status != PAT_OK) status = file_fail(error, out->config, number);
    }
    if (status == PAT_OK && ferror(file) != 0)
        status = pat_error_set(error, PAT_ERR_BAD_REQUEST, "--config: %.300s cannot be read", out->config);
    (void)fclose(file);
    return status;
}

enum pat_status pat_options_parse(struct pat_options *out, int argc, char *const *argv, struct pat_error *error) {
    *out = (struct pat_options){.sync = "always",
                                .cpu = "auto",
                                .snapshot_every_ms = SNAPSHOT_EVERY_MS_DEFAULT,
                                .verify_every_ms = VERIFY_EVERY_MS_DEFAULT,
                                .slow_ms = SLOW_MS_DEFAULT,
                                .log_level = PAT_LOG_INFO};
    PAT_TRY(command_line(out, argc, argv, error));
    if (out->help || out->version) return PAT_OK;
    if (out->config != NULL) PAT_TRY(config_file(out, error));
    if (out->data == NULL) return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "data", -1, -1, "--data DIR is needed");
    if ((out->tls_cert == NULL) != (out->tls_key == NULL))
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, out->tls_cert == NULL ? "tls-cert" : "tls-key", -1, -1,
                                "--tls-cert and --tls-key go together: one of them is missing");
    if (out->listens == 0 && out->unix_path == NULL) out->listen[out->listens++] = "127.0.0.1:7411";
    return PAT_OK;
}

/* ---- what changed ------------------------------------------------------------------------------------------------ */

static bool same(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

uint64_t pat_options_memory(const struct pat_options *options, uint64_t there) {
    return options->memory_bytes != 0 ? options->memory_bytes : there / 10 * 8;
}

bool pat_options_memory_is_short(const struct pat_options *options, uint64_t there) {
    const uint64_t limit = pat_options_memory(options, there);
    return (limit < there ? limit : there) < MEMORY_SHORT_BYTES;
}

static bool same_listens(const struct pat_options *a, const struct pat_options *b) {
    if (a->listens != b->listens) return false;
    for (unsigned i = 0; i < a->listens; i++) {
        if (!same(a->listen[i], b->listen[i])) return false;
    }
    return true;
}

bool pat_options_same(const struct pat_options *a, const struct pat_options *b, enum pat_option option) {
    switch (option) {
    case PAT_OPTION_DATA: return same(a->data, b->data);
    case PAT_OPTION_LISTEN: return same_listens(a, b);
    case PAT_OPTION_UNIX: return same(a->unix_path, b->unix_path);
    case PAT_OPTION_USERS: return same(a->users, b->users);
    case PAT_OPTION_TLS_CERT: return same(a->tls_cert, b->tls_cert);
    case PAT_OPTION_TLS_KEY: return same(a->tls_key, b->tls_key);
    case PAT_OPTION_MEMORY: return a->memory_bytes == b->memory_bytes;
    case PAT_OPTION_CONNECTIONS: return a->connections == b->connections;
    case PAT_OPTION_CONNECTIONS_PER_ADDRESS: return a->connections_per_address == b->connections_per_address;
    case PAT_OPTION_WORKERS: return a->workers == b->workers;
    case PAT_OPTION_SYNC: return same(a->sync, b->sync);
    case PAT_OPTION_VERIFY_EVERY: return a->verify_every_ms == b->verify_every_ms;
    case PAT_OPTION_SNAPSHOT_EVERY: return a->snapshot_every_ms == b->snapshot_every_ms;
    case PAT_OPTION_CPU: return same(a->cpu, b->cpu);
    case PAT_OPTION_TIMEZONE: return same(a->timezone, b->timezone);
    case PAT_OPTION_BASE_CURRENCY: return same(a->base_currency, b->base_currency);
    case PAT_OPTION_LOG_LEVEL: return a->log_level == b->log_level;
    case PAT_OPTION_LOG_FORMAT: return a->log_format == b->log_format;
    case PAT_OPTION_LOG_SLOW: return a->slow_ms == b->slow_ms;
    case PAT_OPTION_SALVAGE: return a->salvage == b->salvage;
    case PAT_OPTION_CONFIG:
    case PAT_OPTION_HELP:
    case PAT_OPTION_VERSION:
    case PAT_OPTIONS: break;
    }
    return true;
}

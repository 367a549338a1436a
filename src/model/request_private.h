/* Inside of requests: one parameter at a time, checked, with one kind of message for all. */
#ifndef PAT_MODEL_REQUEST_PRIVATE_H
#define PAT_MODEL_REQUEST_PRIVATE_H

#include "model/filter_private.h"
#include "model/request.h"

/* A map of parameters under reading. `prefix` is "" at the top and "rfm." inside of that parameter. */
struct pat_params {
    const struct pat_method_info *info;
    const struct pat_value *map; /* NULL when there are none */
    const char *prefix;
    struct pat_arena *arena;
    struct pat_error *error;
};

/* A parameter; NULL when it is absent or nil, which mean the same. */
const struct pat_value *pat_param__get(const struct pat_params *params, const char *key);

/* 'parameter "limit" of rows: expected an integer from 1 to 10000, got "ten"'. */
enum pat_status pat_param__fail(const struct pat_params *params, const char *key, const struct pat_value *got,
                                const char *expected, ...) __attribute__((format(printf, 4, 5)));
/* 'parameter "cuts" of rfm.grid: r must fall ...'. */
enum pat_status pat_param__refuse(const struct pat_params *params, enum pat_status status, const char *key,
                                  const char *format, ...) __attribute__((format(printf, 4, 5)));
enum pat_status pat_param__missing(const struct pat_params *params, const char *key, const char *expected);
enum pat_status pat_param__no_memory(const struct pat_params *params);

/* Fails for parameters that are not in the NULL-terminated `names`, with the nearest of them. */
enum pat_status pat_param__check_names(const struct pat_params *params, const char *const *names) PAT_MUST_CHECK;

/* All of these leave *out as it was when the parameter is absent. */
enum pat_status pat_param__integer(const struct pat_params *params, const char *key, int64_t least, int64_t most,
                                   int64_t *out) PAT_MUST_CHECK;
/* One of the NULL-terminated `words`; *out is its place. */
enum pat_status pat_param__choice(const struct pat_params *params, const char *key, const char *const *words,
                                  int *out) PAT_MUST_CHECK;
/* A text of 1 to bytes_max bytes without control characters, copied with a NUL behind it. */
enum pat_status pat_param__name(const struct pat_params *params, const char *key, size_t bytes_max,
                                struct pat_text *out) PAT_MUST_CHECK;
/* The same, and an integer stands for its decimal text. */
enum pat_status pat_param__name_or_number(const struct pat_params *params, const char *key, size_t bytes_max,
                                          struct pat_text *out) PAT_MUST_CHECK;
/* An array of `least` to `most` texts that are not empty, or one such text. Borrowed. */
enum pat_status pat_param__texts(const struct pat_params *params, const char *key, uint32_t least, uint32_t most,
                                 const struct pat_text **out, uint32_t *count) PAT_MUST_CHECK;

/* A day as "YYYY-MM-DD", days since 1970-01-01, or "-30d" from the question's day. */
bool pat_param__day(const struct pat_value *value, struct pat_day_param *out);

enum pat_status pat_request__question(struct pat_request *out, const struct pat_params *params,
                                      bool rfm_at_top) PAT_MUST_CHECK;
/* min_lsn, deadline_ms, unless: what also methods without a filter take. */
enum pat_status pat_request__reading(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
/* `from` as the table in the parameter `key`; customers when there is none. */
enum pat_status pat_request__table(struct pat_request *out, const struct pat_params *params,
                                   const char *key) PAT_MUST_CHECK;
enum pat_status pat_request__batch(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
enum pat_status pat_request__cohort(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
enum pat_status pat_request__control(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
enum pat_status pat_request__rows(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
enum pat_status pat_request__group(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
enum pat_status pat_request__load(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
enum pat_status pat_request__schema_add(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
enum pat_status pat_request__map_save(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
/* clv.*, each with what it takes of a question. */
enum pat_status pat_request__clv(struct pat_request *out, const struct pat_params *params) PAT_MUST_CHECK;
/* "customer": an id as a text or an integer. */
enum pat_status pat_request__id(struct pat_request *out, const struct pat_params *params,
                                const char *key) PAT_MUST_CHECK;
/* A day as `as_of` has them: "now", "latest", a date or a number of days. Absent: *kind stays. */
enum pat_status pat_param__as_of(const struct pat_params *params, const char *key, enum pat_as_of_kind *kind,
                                 pat_day *day) PAT_MUST_CHECK;
/* A number from `least` to `most`; *given says whether there was one. */
enum pat_status pat_param__number(const struct pat_params *params, const char *key, double least, double most,
                                  const char *expected, bool *given, double *out) PAT_MUST_CHECK;

#endif

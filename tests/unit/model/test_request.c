/* Requests: the method table, parameters checked and typed, messages that say what to do. */
#include "base/mem.h"
#include "model/request.h"
#include "notation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pat_arena arena;
static struct pat_request request;

static int setup(void **state) {
    (void)state;
    pat_arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    pat_arena_deinit(&arena);
    return pat_mem_used(PAT_MEM_QUERY) == 0 ? 0 : -1;
}

/* Parses into `request`. */
static void take(const char *method, const char *params) {
    struct pat_error error = {.message = ""};
    const struct pat_method_info *info = pat_method_find(pat_text_of(method));
    assert_non_null(info);
    if (pat_request_parse(&request, info, notation(&arena, params), &arena, &error) != PAT_OK) {
        fail_msg("%s %s: %s", method, params != NULL ? params : "", error.message);
    }
    assert_int_equal(request.method, info->method);
    assert_non_null(request.question.where);
}

static void refuse(const char *method, const char *params, enum pat_status wanted, const char *field,
                   const char *message) {
    struct pat_error error = {.message = ""};
    const struct pat_method_info *info = pat_method_find(pat_text_of(method));
    assert_non_null(info);
    enum pat_status status = pat_request_parse(&request, info, notation(&arena, params), &arena, &error);
    if (status == PAT_OK) fail_msg("%s %s was taken", method, params);
    if (strstr(error.message, message) == NULL) {
        fail_msg("%s %s\n  gave:   %s\n  wanted: %s", method, params, error.message, message);
    }
    assert_string_equal(pat_status_code(status), pat_status_code(wanted));
    assert_string_equal(error.field, field);
}

static void bad(const char *method, const char *params, const char *field, const char *message) {
    refuse(method, params, PAT_ERR_BAD_REQUEST, field, message);
}

/* ---- methods ---------------------------------------------------------------------------------------------------- */

static void every_method_is_found_and_described(void **state) {
    (void)state;
    for (unsigned i = 0; i < pat_method_list_count; i++) {
        const struct pat_method_info *info = &pat_method_list[i];
        assert_ptr_equal(pat_method_find(pat_text_of(info->name)), info);
        assert_string_equal(pat_method_nearest(pat_text_of(info->name)), info->name);
        assert_non_null(info->params);
        assert_true(strlen(info->explain) > 10);
        assert_int_equal(info->table >= 0, info->method == PAT_METHOD_LOAD);
    }
    assert_int_equal(pat_method_find(PAT_TEXT("load.refunds"))->table, PAT_REFUNDS);
    assert_null(pat_method_find(PAT_TEXT("load.")));
    assert_null(pat_method_find(PAT_TEXT("")));
    assert_string_equal(pat_method_nearest(PAT_TEXT("load.order")), "load.orders");
    assert_string_equal(pat_method_nearest(PAT_TEXT("rfm.group")), "rfm.groups");
    assert_null(pat_method_nearest(PAT_TEXT("something else entirely")));
}

static void unknown_parameters_are_named_with_the_nearest(void **state) {
    (void)state;
    refuse("count", "{'wher': 'a = 1'}", PAT_ERR_UNKNOWN_FIELD, "wher",
           "unknown parameter \"wher\" of count, did you mean \"where\"?");
    refuse("status", "{'verbose': true}", PAT_ERR_UNKNOWN_FIELD, "verbose",
           "unknown parameter \"verbose\" of status, it takes none");
    refuse("cancel", "{'xyzzy': 1}", PAT_ERR_UNKNOWN_FIELD, "xyzzy", "of cancel, it takes msgid");
    refuse("hello", "{'error': 'map'}", PAT_ERR_UNKNOWN_FIELD, "error", "did you mean \"errors\"?");
    refuse("verify", "{'where': 'a = 1'}", PAT_ERR_UNKNOWN_FIELD, "where", "it takes min_lsn, deadline_ms");
    refuse("count", "{'rfm': {'windw': '52w'}}", PAT_ERR_UNKNOWN_FIELD, "windw",
           "unknown parameter \"rfm.windw\" of count, did you mean \"rfm.window\"?");
    refuse("rfm.grid", "{'cuts': {'r': [], 'x': 1}}", PAT_ERR_UNKNOWN_FIELD, "x", "\"cuts.x\" of rfm.grid");
}

static void methods_without_parameters_take_none(void **state) {
    (void)state;
    static const char *const names[] = {"hello",  "ping",          "cancel",        "status",
                                        "schema", "snapshot.save", "snapshot.list", "verify"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        take(names[i], NULL);
        take(names[i], "null");
        take(names[i], "{}");
    }
    bad("ping", "[]", "", "ping takes its parameters as one map with string keys, got an array of 0");
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

static void a_question_has_defaults(void **state) {
    (void)state;
    take("count", NULL);
    assert_int_equal(request.question.where->op, PAT_FILTER_TRUE);
    assert_int_equal(request.question.as_of, PAT_AS_OF_NOW);
    assert_int_equal(request.question.rfm.window_days, 365);
    assert_int_equal(request.question.rfm.scoring, PAT_RFM_QUINTILE);
    assert_int_equal(request.question.rfm.map.length, 0);
    assert_null(request.question.rfm.population);
    assert_int_equal(request.question.min_lsn, 0);
    assert_int_equal(request.question.deadline_ms, 0);
}

static void a_question_is_read(void **state) {
    (void)state;
    take("count", "{'where': 'country = :c', 'args': {'c': 'BR', 'p': 2}, 'as_of': '2010-12-09', 'min_lsn': 7, "
                  "'deadline_ms': 250, 'rfm': {'window': '52w', 'scoring': 'mean', 'map': 'mine', "
                  "'population': ['>=', 'orders', ':p']}}");
    assert_int_equal(request.question.where->op, PAT_FILTER_EQ);
    assert_int_equal(request.question.as_of, PAT_AS_OF_DAY);
    assert_int_equal(request.question.as_of_day, 14952);
    assert_int_equal(request.question.min_lsn, 7);
    assert_int_equal(request.question.deadline_ms, 250);
    assert_int_equal(request.question.rfm.window_days, 364);
    assert_int_equal(request.question.rfm.scoring, PAT_RFM_MEAN);
    assert_true(pat_text_is(request.question.rfm.map, "mine"));
    assert_int_equal(request.question.rfm.population->op, PAT_FILTER_GE);
    take("count", "{'as_of': 14952}");
    assert_int_equal(request.question.as_of_day, 14952);
    take("count", "{'as_of': 'latest', 'where': null}");
    assert_int_equal(request.question.as_of, PAT_AS_OF_LATEST);
}

static void a_wrong_question_is_explained(void **state) {
    (void)state;
    bad("count", "{'where': 'contry == 1'}", "where", "where, byte 7: expected \"=\", found \"==\"");
    bad("count", "{'where': 5}", "where", "expected a filter");
    bad("count", "{'args': {'x': 1}}", "args", "args has a value for \"x\", but no filter asks for :x");
    bad("count", "{'args': [1]}", "args", "expected a map of names and values");
    bad("count", "{'as_of': 'yesterday'}", "as_of", "expected \"now\", \"latest\", a day as \"YYYY-MM-DD\"");
    bad("count", "{'as_of': '2023-02-29'}", "as_of", "got \"2023-02-29\"");
    bad("count", "{'as_of': 99999999}", "as_of", "got 99999999");
    bad("count", "{'min_lsn': -1}", "min_lsn", "expected an integer from 0");
    bad("count", "{'deadline_ms': 1.5}", "deadline_ms", "expected an integer from 0 to 86400000, got 1.5");
    bad("count", "{'rfm': 5}", "rfm", "expected a map");
    bad("count", "{'rfm': {'window': '1 year'}}", "rfm.window",
        "parameter \"rfm.window\" of count: expected a duration");
    bad("count", "{'rfm': {'scoring': 'x'}}", "rfm.scoring",
        "expected \"quintile\" or \"cuts\" or \"mean\", got \"x\"");
    bad("count", "{'rfm': {'population': 'x ='}}", "population", "population, byte 3: expected a value");
}

static void rfm_methods_take_the_names_at_the_top_or_inside(void **state) {
    (void)state;
    take("rfm.grid", "{'window': 'all', 'population': 'country = BR', 'where': 'a = 1'}");
    assert_int_equal(request.question.rfm.window_days, 0);
    assert_int_equal(request.question.rfm.population->op, PAT_FILTER_EQ);
    take("rfm.groups", "{'rfm': {'window': '90d'}, 'map': null}");
    assert_int_equal(request.question.rfm.window_days, 90);
    bad("rfm.groups", "{'rfm': {'window': '90d'}, 'map': 'mine'}", "map", "stands beside \"rfm\"");
    refuse("count", "{'window': '90d'}", PAT_ERR_UNKNOWN_FIELD, "window", "unknown parameter \"window\"");
}

static void cuts_are_read_and_must_be_in_order(void **state) {
    (void)state;
    take("rfm.grid", "{'cuts': {'r': [360, 180, 60, 0], 'f': [1, 2, 5, 10], 'm_minor': [-100, 0, 5000, 100000]}}");
    assert_int_equal(request.question.rfm.scoring, PAT_RFM_CUTS);
    assert_int_equal(request.question.rfm.cut_r[0], 360);
    assert_int_equal(request.question.rfm.cut_f[3], 10);
    assert_int_equal(request.question.rfm.cut_m[0], -100);
    take("count", "{'rfm': {'scoring': 'cuts', 'cuts': {'r': [4,3,2,1], 'f': [1,2,3,4], 'm_minor': [1,2,3,4]}}}");
    bad("rfm.grid", "{'scoring': 'cuts'}", "scoring", "\"cuts\" needs the parameter \"cuts\"");
    bad("count", "{'rfm': {'scoring': 'cuts'}}", "rfm.scoring", "needs the parameter \"rfm.cuts\"");
    bad("rfm.grid", "{'scoring': 'mean', 'cuts': {}}", "cuts", "not with \"mean\"");
    bad("rfm.grid", "{'cuts': 5}", "cuts", "expected a map {r: [4], f: [4], m_minor: [4]}, got 5");
    bad("rfm.grid", "{'cuts': {'r': [4,3,2,1], 'f': [1,2,3,4]}}", "cuts", "\"m_minor\" is missing");
    bad("rfm.grid", "{'cuts': {'r': [1,2,3,4], 'f': [1,2,3,4], 'm_minor': [1,2,3,4]}}", "cuts",
        "r must fall: the most days that still earn score 2, 3, 4, 5; 1 stands before 2");
    bad("rfm.grid", "{'cuts': {'r': [4,3,2,1], 'f': [1,2,2,4], 'm_minor': [1,2,3,4]}}", "cuts",
        "f must rise: the least that earns score 2, 3, 4, 5; 2 stands before 2");
    bad("rfm.grid", "{'cuts': {'r': [4,3,2], 'f': [1,2,3,4], 'm_minor': [1,2,3,4]}}", "cuts",
        "r: expected an array of four integers, got an array of 3");
    bad("rfm.grid", "{'cuts': {'r': [4,3,2,-1], 'f': [1,2,3,4], 'm_minor': [1,2,3,4]}}", "cuts",
        "r[3]: expected an integer not below 0, got -1");
    bad("rfm.grid", "{'cuts': {'r': [4,3,2,1], 'f': [1,2,3,4], 'm_minor': [1,2.5,3,4]}}", "cuts", "m_minor[1]");
}

static void durations_are_days_weeks_or_all(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int32_t days; /* -1: refused */
    } cases[] = {{"365d", 365},
                 {"52w", 364},
                 {"all", 0},
                 {"1d", 1},
                 {"36525d", 36525},
                 {"36526d", -1},
                 {"5217w", 36519},
                 {"5218w", -1},
                 {"0d", -1},
                 {"0w", -1},
                 {"", -1},
                 {"d", -1},
                 {"365", -1},
                 {"365D", -1},
                 {"-5d", -1},
                 {"5dd", -1},
                 {"99999999999999999999d", -1},
                 {"1m", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t days = -1;
        const bool taken = pat_duration_parse(pat_text_of(cases[i].text), &days);
        if (taken != (cases[i].days >= 0)) fail_msg("%s", cases[i].text);
        assert_int_equal(taken ? days : -1, cases[i].days);
    }
}

/* ---- customer, order, rows, group ------------------------------------------------------------------------------- */

static void one_customer_or_order(void **state) {
    (void)state;
    take("customer", "{'customer': 13085, 'with': ['orders', 'lines'], 'limit': 5, 'as_of': 'latest'}");
    assert_true(pat_text_is(request.id, "13085"));
    assert_true(request.with_orders && request.with_lines && !request.with_refunds);
    assert_int_equal(request.limit, 5);
    take("customer", "{'customer': 'a-1'}");
    assert_true(pat_text_is(request.id, "a-1"));
    take("customer", "{'customer': 18446744073709551615}");
    assert_true(pat_text_is(request.id, "18446744073709551615"));
    take("order", "{'order': '536365', 'with': 'refunds'}");
    assert_true(request.with_refunds && !request.with_lines);
    bad("customer", "{}", "customer", "customer needs the parameter \"customer\"");
    bad("customer", "{'customer': ''}", "customer", "parameter \"customer\" of customer: ");
    bad("customer", "{'customer': 1.5}", "customer", "expected an id as a text or an integer, got 1.5");
    bad("customer", "{'customer': 1, 'limit': 0}", "limit", "expected an integer from 1 to 10000, got 0");
    bad("customer", "{'customer': 1, 'with': ['order']}", "with", "expected orders, refunds or lines, got \"order\"");
    bad("order", "{'order': 1, 'with': ['orders']}", "with", "expected lines or refunds, got \"orders\"");
}

static void rows_have_fields_and_an_order(void **state) {
    (void)state;
    take("rows", "{'fields': ['customer', 'net'], 'order_by': ['-net', 'customer'], 'from': 'customers'}");
    assert_int_equal(request.from, PAT_CUSTOMERS);
    assert_int_equal(request.names_count, 2);
    assert_true(pat_text_is(request.names[1], "net"));
    assert_int_equal(request.order_bys, 2);
    assert_true(request.order_by[0].descending);
    assert_true(pat_text_is(request.order_by[0].text, "net"));
    assert_false(request.order_by[1].descending);
    assert_int_equal(request.limit, 100);
    take("rows", "{'fields': ['order'], 'order_by': '-time', 'from': 'orders', 'limit': 10000}");
    assert_int_equal(request.from, PAT_ORDERS);
    assert_int_equal(request.limit, 10000);
    bad("rows", "{}", "fields", "rows needs the parameter \"fields\"");
    bad("rows", "{'fields': []}", "fields", "expected an array of 1 to 64 strings, got an array of 0");
    bad("rows", "{'fields': ['a', 5]}", "fields", "expected an array of 1 to 64 strings, got 5");
    bad("rows", "{'fields': ['a'], 'limit': 'ten'}", "limit",
        "parameter \"limit\" of rows: expected an integer from 1 to 10000, got \"ten\"");
    bad("rows", "{'fields': ['a'], 'order_by': ['-']}", "order_by", "a \"-\" without a name");
    refuse("rows", "{'fields': ['a'], 'from': 'people'}", PAT_ERR_UNKNOWN_FIELD, "from", "no table \"people\"");
}

static void group_has_dimensions_and_metrics(void **state) {
    (void)state;
    take("group", "{'by': ['country'], 'metrics': ['count', 'sum(net)', 'avg(attr.x)', 'min(orders)', "
                  "'max(last_order)', 'p50(net)', 'p99.9(net)', 'p100(net)'], 'order_by': '-sum(net)', 'limit': 3}");
    static const enum pat_metric_kind kinds[] = {PAT_METRIC_COUNT,      PAT_METRIC_SUM,       PAT_METRIC_AVG,
                                                 PAT_METRIC_MIN,        PAT_METRIC_MAX,       PAT_METRIC_PERCENTILE,
                                                 PAT_METRIC_PERCENTILE, PAT_METRIC_PERCENTILE};
    assert_int_equal(request.metrics, 8);
    for (unsigned i = 0; i < 8; i++) assert_int_equal(request.metric[i].kind, kinds[i]);
    assert_int_equal(request.metric[0].field.length, 0);
    assert_true(pat_text_is(request.metric[2].field, "attr.x"));
    assert_true(pat_text_is(request.metric[6].text, "p99.9(net)"));
    assert_true(request.metric[5].percent == 50 && request.metric[6].percent == 99.9);
    assert_true(pat_text_is(request.order_by[0].text, "sum(net)"));
    assert_int_equal(request.limit, 3);
    take("group", "{'by': []}");
    assert_int_equal(request.names_count, 0);
    assert_int_equal(request.metrics, 1);
    assert_int_equal(request.metric[0].kind, PAT_METRIC_COUNT);
    assert_int_equal(request.limit, 0);
    take("group", "{'by': 'country', 'metrics': 'sum(net)'}");
    assert_int_equal(request.names_count, 1);
    bad("group", "{}", "by", "group needs the parameter \"by\"");
    bad("group", "{'by': ['a','b','c','d','e']}", "by", "an array of 0 to 4 strings");
    take("group", "{'by': [], 'from': 'lines', 'metrics': ['customers'], 'between': ['2024-01-31', null]}");
    assert_int_equal(request.from, PAT_LINES);
    assert_int_equal(request.metric[0].kind, PAT_METRIC_CUSTOMERS);
    assert_true(request.between[0].given && !request.between[0].relative && request.between[0].days == 19753);
    assert_false(request.between[1].given);
    take("group", "{'by': [], 'from': 'orders', 'between': ['-30d', '0d']}");
    assert_true(request.between[0].relative && request.between[0].days == -30);
    assert_true(request.between[1].given && request.between[1].relative && request.between[1].days == 0);
    bad("group", "{'by': [], 'between': [0, 1]}", "between", "it is for facts");
    bad("group", "{'by': [], 'from': 'orders', 'between': ['2024-01-31']}", "between", "two days");
    bad("group", "{'by': [], 'from': 'orders', 'between': ['yesterday', null]}", "between", "a day as");
    bad("group", "{'by': [], 'from': 'orders', 'between': [20, 10]}", "between", "the first day is after the last");
    take("cohort", "{'by': 'month', 'start': 'created', 'metric': 'net', 'periods': 12}");
    assert_true(request.cohort_created && request.cohort_metric == PAT_COHORT_NET && request.cohort_periods == 12);
    bad("cohort", "{'by': 'week'}", "by", "expected \"month\", got \"week\"");
    take("control", "{'table': 'lines', 'by': 'producer', 'from': '2024-01-31'}");
    assert_true(request.from == PAT_LINES && request.control_by == PAT_CONTROL_PRODUCER && request.between[0].given);
    bad("control", "{'by': 'day'}", "table", "control needs the parameter \"table\"");
    bad("control", "{'table': 'customers', 'by': 'currency'}", "by", "customers have no money");
    take("count", "{'unless': {'epoch': 0, 'lsn': 7, 'as_of': '1970-01-02'}}");
    assert_true(request.question.unless.given && request.question.unless.lsn == 7);
    assert_true(request.question.unless.as_of_given && request.question.unless.as_of == 1);
    bad("count", "{'unless': {'lsn': 7}}", "epoch", "needs the parameter \"unless.epoch\"");
    bad("count", "{'lifecycle': {'cuts': [90]}}", "lifecycle.cuts", "two numbers of days that rise");
    bad("count", "{'lifecycle': {'cuts': [90, 30]}}", "lifecycle.cuts", "two numbers of days that rise");
    take("count", "{'lifecycle': {'gaps': [1, 2.375], 'cuts': [0, 7]}}");
    assert_true(request.question.lifecycle_gap_milli[0] == 1000 && request.question.lifecycle_gap_milli[1] == 2375);
    assert_true(request.question.lifecycle_cut[0] == 0 && request.question.lifecycle_cut[1] == 7);
    bad("count", "{'lifecycle': {'gaps': [3, 1]}}", "lifecycle.gaps",
        "two multiples of a customer's mean gap that rise");
    bad("count", "{'lifecycle': {'gaps': [0, 1]}}", "lifecycle.gaps", "two multiples");
    bad("count", "{'lifecycle': {'gaps': [1, 1.0005]}}", "lifecycle.gaps", "three decimals at the most");
    bad("count", "{'lifecycle': {'gaps': [1, 1001]}}", "lifecycle.gaps", "up to 1000");
}

static void a_wrong_metric_is_explained(void **state) {
    (void)state;
    static const struct {
        const char *metric;
        enum pat_status status;
        int offset;
        const char *message;
    } cases[] = {
        {"median(net)", PAT_ERR_UNKNOWN_FIELD, 0, "there is no such metric; metrics are count, customers, sum(field)"},
        {"net", PAT_ERR_UNKNOWN_FIELD, 0, "there is no such metric"},
        {"p(net)", PAT_ERR_UNKNOWN_FIELD, 0, "there is no such metric"},
        {"count(net)", PAT_ERR_BAD_REQUEST, 5, "count takes no field"},
        {"sum", PAT_ERR_BAD_REQUEST, 3, "expected \"(\" and a field"},
        {"sum()", PAT_ERR_BAD_REQUEST, 4, "expected a field name"},
        {"sum( net)", PAT_ERR_BAD_REQUEST, 4, "expected a field name"},
        {"sum(net", PAT_ERR_BAD_REQUEST, 7, "expected \")\", found the end"},
        {"sum(net))", PAT_ERR_BAD_REQUEST, 8, "expected the end"},
        {"p0(net)", PAT_ERR_BAD_REQUEST, 0, "above 0 and at most 100"},
        {"p100.1(net)", PAT_ERR_BAD_REQUEST, 0, "above 0 and at most 100"},
        {"p5x(net)", PAT_ERR_BAD_REQUEST, 0, "above 0 and at most 100"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char params[128];
        (void)snprintf(params, sizeof params, "{'by': [], 'metrics': ['count', '%s']}", cases[i].metric);
        refuse("group", params, cases[i].status, "metrics", cases[i].message);
        struct pat_error error;
        assert_int_not_equal(
            pat_request_parse(&request, pat_method_find(PAT_TEXT("group")), notation(&arena, params), &arena, &error),
            PAT_OK);
        assert_int_equal(error.offset, cases[i].offset);
    }
}

static void a_cursor_carries_its_own_check(void **state) {
    (void)state;
    const struct pat_cursor cursor = {
        .process = UINT64_MAX, .pin = 7, .issued_ms = 1u << 20, .asked = 99, .today = -5, .row = 4000000000u};
    struct pat_cursor read;
    char text[PAT_CURSOR_TEXT_BYTES];
    pat_cursor_print(&cursor, text);
    assert_int_equal(strlen(text), PAT_CURSOR_TEXT_BYTES - 1);
    assert_true(pat_cursor_parse(pat_text_of(text), &read));
    assert_true(read.process == cursor.process && read.pin == 7 && read.issued_ms == cursor.issued_ms);
    assert_true(read.asked == 99 && read.today == -5 && read.row == cursor.row);
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        const char kept = text[i];
        text[i] = kept == '0' ? '1' : '0';
        assert_false(pat_cursor_parse(pat_text_of(text), &read));
        text[i] = kept;
    }
    assert_false(pat_cursor_parse(PAT_TEXT(""), &read));
    bad("rows", "{'fields': ['a'], 'cursor': 'next'}", "cursor", "expected the cursor of the page before");
}

static uint64_t fingerprint(const char *params) {
    uint64_t out = 0;
    take("rows", params);
    assert_int_equal(PAT_OK, pat_request_fingerprint(&request, &arena, &out));
    return out;
}

static void questions_are_told_apart_by_what_decides_the_rows(void **state) {
    (void)state;
    static const char *const others[] = {
        "{'fields': ['b'], 'where': 'a = 1', 'order_by': ['-a']}",
        "{'fields': ['a'], 'where': 'a = 2', 'order_by': ['-a']}",
        "{'fields': ['a'], 'where': 'a = 1', 'order_by': ['a']}",
        "{'fields': ['a'], 'where': 'a = 1'}",
        "{'fields': ['a', 'a'], 'where': 'a = 1', 'order_by': ['-a']}",
        "{'fields': ['a'], 'where': 'a = 1', 'order_by': ['-a'], 'as_of': 'latest'}",
        "{'fields': ['a'], 'where': 'a = 1', 'order_by': ['-a'], 'from': 'orders'}",
        "{'fields': ['a'], 'where': 'a = 1', 'order_by': ['-a'], 'rfm': {'window': '90d'}}",
        "{'fields': ['a'], 'where': 'a = 1', 'order_by': ['-a'], 'rfm': {'population': 'a = 1'}}",
        "{'fields': ['a'], 'where': 'a = 1', 'order_by': ['-a'], 'lifecycle': {'cuts': [1, 2]}}",
        "{'fields': ['a'], 'where': 'a = 1', 'order_by': ['-a'], 'lifecycle': {'gaps': [1, 2]}}",
    };
    const uint64_t one = fingerprint("{'fields': ['a'], 'where': 'a = 1', 'order_by': ['-a']}");
    assert_true(one == fingerprint("{'fields': ['a'], 'where': 'a=1', 'order_by': '-a', 'limit': 3, 'min_lsn': 2}"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) assert_true(one != fingerprint(others[i]));
}

static void a_batch_keeps_what_is_wrong_with_each_call(void **state) {
    (void)state;
    take("batch",
         "{'calls': [['count', {'where': 'a = 1', 'min_lsn': 5}], ['cuont'], ['status'], ['count', {'wher': 1}], "
         "'count', ['batch', {'calls': []}], ['rows', {'fields': ['a'], 'limit': 2}]], 'min_lsn': 3}");
    assert_int_equal(request.calls, 7);
    assert_true(request.question.min_lsn == 5);
    assert_null(request.call[0].error);
    assert_int_equal(request.call[0].request->method, PAT_METHOD_COUNT);
    assert_int_equal(request.call[1].error->status, PAT_ERR_UNKNOWN_METHOD);
    assert_int_equal(request.call[2].error->status, PAT_ERR_BAD_REQUEST);
    assert_int_equal(request.call[3].error->status, PAT_ERR_UNKNOWN_FIELD);
    assert_int_equal(request.call[4].error->status, PAT_ERR_BAD_REQUEST);
    assert_int_equal(request.call[5].error->status, PAT_ERR_BAD_REQUEST);
    assert_null(request.call[6].error);
    assert_int_equal(request.call[6].request->limit, 2);
    bad("batch", "{}", "calls", "batch needs the parameter \"calls\"");
    bad("batch", "{'calls': []}", "calls", "an array of 1 to 64 calls");
}

/* ---- loads, maps, filters --------------------------------------------------------------------------------------- */

static void a_load_is_checked_for_shape(void **state) {
    (void)state;
    take("load.lines", "{'producer': 'csv', 'seq': 18446744073709551615, 'columns': {'order': [1]}, "
                       "'on_error': 'skip', 'mode': 'append', 'meta': 'offset 5', 'errors': 0}");
    assert_int_equal(request.load.table, PAT_LINES);
    assert_true(request.load.seq == UINT64_MAX);
    assert_true(request.load.skip_bad && request.load.append);
    assert_true(pat_text_is(request.load.meta, "offset 5"));
    assert_int_equal(request.load.errors_max, 0);
    assert_int_equal(request.load.columns->count, 1);
    take("load.orders", "{'producer': 42, 'seq': 0, 'columns': {'order': [1]}}");
    assert_true(pat_text_is(request.load.producer, "42"));
    assert_false(request.load.skip_bad || request.load.append);
    assert_int_equal(request.load.errors_max, 100);
    take("load.state", "{'producer': 'csv'}");
    assert_true(pat_text_is(request.producer, "csv"));
    bad("load.state", "{}", "producer", "load.state needs the parameter \"producer\"");
    bad("load.orders", "{'seq': 1, 'columns': {'order': [1]}}", "producer", "needs the parameter \"producer\"");
    bad("load.orders", "{'producer': '', 'seq': 1, 'columns': {'order': [1]}}", "producer", "1 to 128 bytes");
    bad("load.orders", "{'producer': 'p', 'columns': {'order': [1]}}", "seq", "needs the parameter \"seq\"");
    bad("load.orders", "{'producer': 'p', 'seq': -1, 'columns': {'order': [1]}}", "seq", "got -1");
    bad("load.orders", "{'producer': 'p', 'seq': 1}", "columns", "needs the parameter \"columns\"");
    bad("load.orders", "{'producer': 'p', 'seq': 1, 'columns': {}}", "columns", "a map of 1 to 128 fields");
    bad("load.orders", "{'producer': 'p', 'seq': 1, 'columns': [1]}", "columns", "got an array of 1");
    bad("load.orders", "{'producer': 'p', 'seq': 1, 'columns': {'order': [1]}, 'mode': 'append'}", "mode",
        "for load.lines only");
    bad("load.orders", "{'producer': 'p', 'seq': 1, 'columns': {'order': [1]}, 'on_error': 'ignore'}", "on_error",
        "expected \"reject\" or \"skip\", got \"ignore\"");
    bad("load.orders", "{'producer': 'p', 'seq': 1, 'columns': {'order': [1]}, 'errors': 65537}", "errors", "65536");
    bad("load.orders", "{'producer': 'p', 'seq': 1, 'columns': {'order': [1]}, 'meta': 5}", "meta",
        "at most 256 bytes");
}

/* A map that gives every cell to one group, but for `last` cells. */
static char *whole_map(unsigned cells, const char *rest) {
    static char text[2048];
    size_t length = (size_t)snprintf(text, sizeof text, "{'name': 'mine', 'groups': {'all': [");
    for (unsigned i = 0; i < cells; i++) {
        const char *format = i % 2 == 0 ? "%u," : "'%u',";
        length += (size_t)snprintf(text + length, sizeof text - length, format,
                                   (i / 25 + 1) * 100 + (i / 5 % 5 + 1) * 10 + i % 5 + 1);
    }
    (void)snprintf(text + length, sizeof text - length, "]%s}}", rest);
    return text;
}

static void a_map_covers_every_cell(void **state) {
    (void)state;
    take("rfm.map.save", whole_map(125, ""));
    assert_string_equal(request.map->name, "mine");
    assert_int_equal(request.map->groups, 1);
    take("rfm.map.save", whole_map(124, ", 'best': ['555']"));
    assert_string_equal(request.map->group[request.map->of_cell[124]], "best");
    struct pat_error error;
    assert_int_equal(pat_request_parse(&request, pat_method_find(PAT_TEXT("rfm.map.save")),
                                       notation(&arena, whole_map(124, "")), &arena, &error),
                     PAT_ERR_BAD_REQUEST);
    take("schema.add", "{'table': 'lines', 'name': 'gift', 'type': 'enum'}");
    bad("schema.add", "{'name': 'gift', 'type': 'enum'}", "table", "needs the parameter \"table\"");
    bad("schema.add", "{'table': 'line', 'name': 'gift', 'type': 'enum'}", "table", "\"lines\"");
    bad("schema.add", "{'table': 'lines', 'type': 'enum'}", "name", "needs the parameter \"name\"");
    bad("schema.add", "{'table': 'lines', 'name': 'attr.gift', 'type': 'enum'}", "name", "without \"attr.\"");
    bad("schema.add", "{'table': 'lines', 'name': 'gift'}", "type", "needs the parameter \"type\"");
    bad("schema.add", "{'table': 'lines', 'name': 'gift', 'type': 'text'}", "type", "\"enum\"");
    bad("rfm.map.save", "{'groups': {'a': [111]}}", "name", "needs the parameter \"name\"");
    bad("rfm.map.save", "{'name': 'default', 'groups': {'a': [111]}}", "name", "which is built in");
    bad("rfm.map.save", "{'name': 'Mine!', 'groups': {'a': [111]}}", "name", "cannot be used");
    bad("rfm.map.save", "{'name': 'mine'}", "groups", "needs the parameter \"groups\"");
    bad("rfm.map.save", "{'name': 'mine', 'groups': {}}", "groups", "a map of 1 to 125 groups");
    bad("rfm.map.save", "{'name': 'mine', 'groups': {'A b': [111]}}", "groups", "\"A b\" is no group name");
    bad("rfm.map.save", "{'name': 'mine', 'groups': {'a': 111}}", "groups", "a: expected an array of 1 to 125 cells");
    bad("rfm.map.save", "{'name': 'mine', 'groups': {'a': ['5555']}}", "groups", "a: expected a cell");
    bad("rfm.map.save", "{'name': 'mine', 'groups': {'a': [true]}}", "groups", "got true");
}

static void a_filter_comes_as_text_or_as_tree(void **state) {
    (void)state;
    take("filter.parse", "{'text': 'a = :x', 'args': {'x': 5}}");
    assert_int_equal(request.question.where->op, PAT_FILTER_EQ);
    take("filter.parse", "{'tree': ['not', ['=', 'a', 5]]}");
    assert_int_equal(request.question.where->op, PAT_FILTER_NOT);
    take("filter.parse", "{'text': ''}");
    assert_int_equal(request.question.where->op, PAT_FILTER_TRUE);
    bad("filter.parse", "{}", "text", "needs \"text\" or \"tree\", and not both");
    bad("filter.parse", "{'text': 'a = 1', 'tree': true}", "text", "not both");
    bad("filter.parse", "{'text': ['=', 'a', 5]}", "text", "expected a text");
    bad("filter.parse", "{'tree': 'a = 5'}", "tree", "expected a condition");
    bad("filter.parse", "{'text': 'a ='}", "text", "text, byte 3: expected a value");
    bad("filter.parse", "{'tree': ['=', 'a']}", "tree", "tree: expected [\"=\", field, value]");
}

static void without_memory_it_says_so_and_leaks_nothing(void **state) {
    (void)state;
    const char *text = "{'by': ['country'], 'metrics': ['sum(net)'], 'order_by': ['-net'], 'where': 'a IN (1, 2)', "
                       "'rfm': {'window': '52w', 'map': 'mine'}}";
    struct pat_arena small;
    for (size_t bytes = 1; bytes < 100000; bytes += 1000) {
        pat_arena_init(&small, bytes);
        struct pat_error error;
        const enum pat_status status =
            pat_request_parse(&request, pat_method_find(PAT_TEXT("group")), notation(&arena, text), &small, &error);
        pat_arena_deinit(&small);
        if (status == PAT_OK) return;
        assert_int_equal(status, PAT_ERR_NO_MEMORY);
    }
    fail_msg("never enough memory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_method_is_found_and_described, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_parameters_are_named_with_the_nearest, setup, teardown),
        cmocka_unit_test_setup_teardown(methods_without_parameters_take_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_question_has_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(a_question_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_question_is_explained, setup, teardown),
        cmocka_unit_test_setup_teardown(rfm_methods_take_the_names_at_the_top_or_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_are_read_and_must_be_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(durations_are_days_weeks_or_all, setup, teardown),
        cmocka_unit_test_setup_teardown(one_customer_or_order, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_have_fields_and_an_order, setup, teardown),
        cmocka_unit_test_setup_teardown(group_has_dimensions_and_metrics, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_metric_is_explained, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cursor_carries_its_own_check, setup, teardown),
        cmocka_unit_test_setup_teardown(questions_are_told_apart_by_what_decides_the_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_keeps_what_is_wrong_with_each_call, setup, teardown),
        cmocka_unit_test_setup_teardown(a_load_is_checked_for_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(a_map_covers_every_cell, setup, teardown),
        cmocka_unit_test_setup_teardown(a_filter_comes_as_text_or_as_tree, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so_and_leaks_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The CDNOW sample (Fader, Hardie 2001): purchases merged by day, calibration to a day, hold-out behind it. */
#ifndef PAT_TESTS_LIFETIME_CDNOW_H
#define PAT_TESTS_LIFETIME_CDNOW_H

#include "lifetime/btyd.h"
#include "lifetime/spend.h"
#include "near.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define CDNOW_CUSTOMERS 2357u

struct cdnow {
    /* calibration, weeks */
    struct pat_btyd_pattern pattern[CDNOW_CUSTOMERS];
    struct pat_spend_pattern spend[CDNOW_CUSTOMERS];
    /* hold-out */
    double later_days[CDNOW_CUSTOMERS], later_spend[CDNOW_CUSTOMERS];
    size_t customers, lines, days; /* read */
};

/* Days since 0000-03-01 of a yyyymmdd number, to subtract from each other. */
static long cdnow_day(long date) {
    const long y = date / 10000 - (date / 100 % 100 <= 2), m = (date / 100 % 100 + 9) % 12, d = date % 100;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d;
}

/* A customer being read: lines come sorted by customer and day. */
struct cdnow_reader {
    long customer, first, last, end;
    double first_spend, spend;
    struct cdnow *out;
};

static void cdnow_line(struct cdnow_reader *reader, long customer, long day, double spend) {
    struct cdnow *out = reader->out;
    out->lines++;
    const bool fresh = customer != reader->customer;
    if (fresh) {
        reader->customer = customer;
        reader->first = day;
        out->pattern[out->customers++] = (struct pat_btyd_pattern){.T = (double)(reader->end - day) / 7, .weight = 1};
    }
    const size_t at = out->customers - 1;
    const bool new_day = fresh || day != reader->last;
    out->days += new_day;
    reader->last = day;
    if (day > reader->end) {
        out->later_days[at] += new_day;
        out->later_spend[at] += spend;
    } else if (day > reader->first) {
        out->pattern[at].x += new_day;
        out->pattern[at].t_x = (double)(day - reader->first) / 7;
        out->spend[at].mean += spend;
    }
}

/* False when the data are not here. Reads calibration to 1997-09-30. */
static bool cdnow_read(struct cdnow *out) {
    const char *shared = getenv("SHARED");
    char path[4096];
    *out = (struct cdnow){0};
    snprintf(path, sizeof path, "%s/data/cdnow_sample/CDNOW_sample.txt", shared != NULL ? shared : "../shared");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        print_message("[  SKIPPED ] no %s\n", path);
        return false;
    }
    struct cdnow_reader reader = {.customer = -1, .end = cdnow_day(19970930), .out = out};
    long cohort, customer, date, discs;
    double spend;
    while (out->customers <= CDNOW_CUSTOMERS &&
           fscanf(file, "%ld %ld %ld %ld %lf", &cohort, &customer, &date, &discs, &spend) == 5) {
        cdnow_line(&reader, customer, cdnow_day(date), spend);
    }
    fclose(file);
    for (size_t i = 0; i < out->customers; i++) {
        const double x = out->pattern[i].x;
        out->spend[i] = (struct pat_spend_pattern){.x = x, .mean = x > 0 ? out->spend[i].mean / x : 0, .weight = 1};
    }
    return true;
}

#endif

/* The world around the shop: countries, currencies and their rates, the calendar, names of things. Made once from the
 * plan, then only read, by any thread. */
#ifndef PATRON_GENERATE_WORLD_H
#define PATRON_GENERATE_WORLD_H

#include "generate_plan.h"
#include "generate_random.h"

#include "base/status.h"
#include "model/types.h"
#include "model/value.h"

#include <stdint.h>

#define PAT_GEN_COUNTRIES  40u
#define PAT_GEN_CURRENCIES 12u
#define PAT_GEN_SEASONS    3u
#define PAT_GEN_REGIONS    4u /* of a country */
/* Chance tables: one draw picks from this many places, so that shares are good to a thousandth. */
#define PAT_GEN_PICKS  1024u
#define PAT_GEN_LEAVES 40u /* categories at the ends of the tree */
/* Prices in steps of a factor of root two: goods of one step are the same products. */
#define PAT_GEN_PRICE_STEPS 24u
#define PAT_GEN_VARIANTS    4u
#define PAT_GEN_PRODUCTS    (PAT_GEN_LEAVES * PAT_GEN_PRICE_STEPS * PAT_GEN_VARIANTS)

/* Independent draws: what one part of the shop uses never shifts another part. */
enum pat_gen_draw {
    PAT_GEN_STREAM_RATES,
    PAT_GEN_STREAM_CUSTOMER,
    PAT_GEN_STREAM_PROFILE,
    PAT_GEN_STREAM_PURCHASES,
    PAT_GEN_STREAM_TASTE,
    PAT_GEN_STREAM_FATE,
    PAT_GEN_STREAM_DRESS,
    PAT_GEN_STREAM_LINES,
    PAT_GEN_STREAM_ARRIVAL,
    PAT_GEN_STREAM_RATE_FATE,
    PAT_GEN_STREAM_CUSTOMER_ATTRIBUTES,
    PAT_GEN_STREAM_ORDER_ATTRIBUTES,
    PAT_GEN_STREAM_LINE_ATTRIBUTES,
    PAT_GEN_STREAMS
};

struct pat_gen_country {
    const char *code, *language, *region[PAT_GEN_REGIONS];
    const char *currency; /* what its people pay in, if the shop takes it */
    uint16_t weight;
    int16_t zone_minutes; /* east of UTC; no daylight saving */
    uint8_t season;
    uint8_t tax_percent;
    uint8_t payment; /* what most pay with */
};
extern const struct pat_gen_country pat_gen_countries[PAT_GEN_COUNTRIES];
/* Those whose rates are known, in the order in which --currencies takes them. */
extern const char *const pat_gen_currency_codes[PAT_GEN_CURRENCIES];

/* Lists of names; a column holds places in one. Place 0 is "none" (null) in those marked so. */
enum pat_gen_list {
    PAT_GEN_LIST_COUNTRY,
    PAT_GEN_LIST_REGION,   /* country * PAT_GEN_REGIONS + place */
    PAT_GEN_LIST_LANGUAGE, /* by country: entries repeat */
    PAT_GEN_LIST_CURRENCY,
    PAT_GEN_LIST_GENDER, /* 0 is none */
    PAT_GEN_LIST_ACQUISITION,
    PAT_GEN_LIST_CREDIT, /* 0 is none */
    PAT_GEN_LIST_ENTITY,
    PAT_GEN_LIST_CONSENT, /* 0 is none */
    PAT_GEN_LIST_TAGS,    /* 0 is none */
    PAT_GEN_LIST_CHANNEL,
    PAT_GEN_LIST_PAYMENT,
    PAT_GEN_LIST_PROMOTION, /* 0 is none */
    PAT_GEN_LIST_KIND,
    PAT_GEN_LIST_REASON,
    PAT_GEN_LIST_CATEGORY,
    PAT_GEN_LIST_PRODUCT,
    /* of attributes; 0 is none in all of them */
    PAT_GEN_LIST_TIER,
    PAT_GEN_LIST_INTERESTS,
    PAT_GEN_LIST_WAREHOUSE,
    PAT_GEN_LIST_HANDLING,
    PAT_GEN_LIST_SIZE,
    PAT_GEN_LIST_MATERIALS,
    PAT_GEN_LISTS
};

enum pat_gen_promotion {
    PAT_GEN_NO_PROMOTION,
    PAT_GEN_DOUBLE_11,
    PAT_GEN_DOUBLE_12,
    PAT_GEN_BLACK_FRIDAY,
    PAT_GEN_CHRISTMAS,
    PAT_GEN_FIRST_EVERYDAY_PROMOTION,
};

/* Purchases follow a clock that runs faster in a busy season: one unit of it is a day of an average year. */
struct pat_gen_calendar {
    double *weight;   /* [days] */
    double *sum;      /* [days + 1] of the weights before a day */
    uint32_t *day_at; /* [units + 2] by whole units: the day in which that reading of the clock falls */
    uint32_t units;
};

struct pat_gen_currency {
    const char *code;
    unsigned digits;
    double *rate;     /* [days] base currency for one unit, exactly as printed */
    double *per_base; /* [days] minor units for one unit of the base currency */
    int64_t *decimal; /* [days] pat_decimal of the rate */
};

struct pat_gen_world {
    const struct pat_gen_plan *plan;
    uint32_t days;
    uint64_t key[PAT_GEN_STREAMS];
    double rate_scale_days; /* alpha of purchases a day */
    struct pat_gen_calendar calendar[PAT_GEN_SEASONS];
    double *acquired;                                     /* [days + 1] share of customers won before a day */
    uint8_t *festival;                                    /* [days] enum pat_gen_promotion of the whole shop */
    char (*day_text)[12];                                 /* [days + PAT_GEN_DAYS_AFTER] "YYYY-MM-DD" */
    struct pat_gen_currency currency[PAT_GEN_CURRENCIES]; /* the base first */
    uint8_t currency_of[PAT_GEN_COUNTRIES];
    uint8_t pick_country[PAT_GEN_PICKS];
    uint8_t pick_hour[PAT_GEN_PICKS];
    struct pat_value *dict[PAT_GEN_LISTS]; /* the names as the wire has them */
    struct pat_text *text[PAT_GEN_LISTS];  /* as CSV has them */
    unsigned names[PAT_GEN_LISTS];
    struct pat_arena *arena; /* everything above stands there */
};

/* Dates that follow a purchase: refunds, cancellations, payments, corrections. */
#define PAT_GEN_DAYS_AFTER 64u

/* Allocates in `arena`. Fails: PAT_ERR_NO_MEMORY. */
enum pat_status pat_gen_world_init(struct pat_gen_world *world, const struct pat_gen_plan *plan,
                                   struct pat_arena *arena, struct pat_error *error) PAT_MUST_CHECK;

/* Fills `dict`, `text` and `names`; the currencies are there already. False when there is no memory. */
bool pat_gen_names_init(struct pat_gen_world *world);

/* The day in which a reading of the clock falls; `from` is a day not after it. The reading is below the last sum. */
static inline uint32_t pat_gen_day_of(const struct pat_gen_calendar *calendar, double reading, uint32_t from) {
    uint32_t day = calendar->day_at[(uint32_t)reading];
    if (day < from) day = from;
    while (calendar->sum[day + 1] <= reading) day++;
    return day;
}

#endif

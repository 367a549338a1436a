#include "generate_world.h"

#include "model/currency.h"
#include "model/date.h"
#include "model/decimal.h"

#include <string.h>

/* Value in US dollars at the start, and the size of a day's step. */
static const struct {
    double dollars, step;
} markets[PAT_GEN_CURRENCIES] = {
    {1, 0},         {1.08, .004},  {1.27, .0045}, {.0071, .005}, {3.25, .001}, {.141, .0025},
    {.00076, .005}, {.195, .0085}, {.74, .0035},  {.665, .0055}, {.055, .007}, {.0121, .002},
};
/* How much of the way back to where it started a rate goes in a day. */
#define RATE_PULL 0.002

static const double months[PAT_GEN_SEASONS][12] = {
    {.85, .85, .95, .95, 1.0, .95, .95, .9, 1.0, 1.05, 1.25, 1.3},
    {1.0, .8, .95, .95, 1.0, 1.15, .95, .95, 1.0, 1.05, 1.2, 1.0},
    {.95, .95, 1.0, 1.05, 1.0, .95, .95, 1.0, 1.0, 1.05, 1.1, 1.0},
};
static const double weekdays[7] = {1.05, 1.0, .97, .97, .98, .95, 1.08}; /* Monday first */
static const double hours[24] = {2, 1,   .6,  .4,  .3,  .4, .8,  1.5, 2.5, 3.5, 4.5, 5,
                                 5, 4.8, 4.5, 4.6, 4.8, 5,  5.5, 6.5, 7.5, 7.5, 6,   4};

/* ---- days ------------------------------------------------------------------------------------------------------ */

static bool is_black_friday(struct pat_civil civil, int weekday) {
    /* The day after the fourth Thursday of November. */
    return civil.month == 11 && weekday == 4 && civil.day >= 23 && civil.day <= 29;
}

static enum pat_gen_promotion festival_of(pat_day day) {
    const struct pat_civil civil = pat_day_to_civil(day);
    const int weekday = pat_day_weekday(day);
    if (civil.month == 11 && civil.day == 11) return PAT_GEN_DOUBLE_11;
    if (civil.month == 12 && civil.day == 12) return PAT_GEN_DOUBLE_12;
    if (is_black_friday(civil, weekday)) return PAT_GEN_BLACK_FRIDAY;
    if (civil.month == 12 && civil.day <= 22) return PAT_GEN_CHRISTMAS;
    return PAT_GEN_NO_PROMOTION;
}

/* How much busier than an ordinary day of its month, by season. */
static double festival_factor(pat_day day, unsigned season) {
    static const double factors[PAT_GEN_FIRST_EVERYDAY_PROMOTION][PAT_GEN_SEASONS] = {
        {1, 1, 1}, {1.6, 6, 3}, {1.3, 3, 2}, {4, 1.3, 1.6}, {1.25, 1, 1.05}};
    const struct pat_civil civil = pat_day_to_civil(day);
    if (civil.month == 12 && civil.day >= 24 && civil.day <= 26 && season != 1) return .45;
    return factors[festival_of(day)][season];
}

static double raw_weight(pat_day day, unsigned season) {
    const struct pat_civil civil = pat_day_to_civil(day);
    return months[season][civil.month - 1] * weekdays[pat_day_weekday(day)] * festival_factor(day, season);
}

/* Of four whole years, so that the mean is that of years and not of the shop's days. */
static double mean_weight(unsigned season) {
    const pat_day first = pat_day_from_civil(2020, 1, 1), behind = pat_day_from_civil(2024, 1, 1);
    double sum = 0;
    for (pat_day day = first; day < behind; day++) sum += raw_weight(day, season);
    return sum / (behind - first);
}

static bool calendar_init(struct pat_gen_world *world, unsigned season) {
    struct pat_gen_calendar *calendar = &world->calendar[season];
    const struct pat_gen_plan *plan = world->plan;
    calendar->weight = pat_arena_array(world->arena, world->days, sizeof *calendar->weight);
    calendar->sum = pat_arena_array(world->arena, world->days + 1, sizeof *calendar->sum);
    if (calendar->weight == NULL || calendar->sum == NULL) return false;
    const double mean = mean_weight(season);
    for (uint32_t d = 0; d < world->days; d++) {
        const double usual = raw_weight(plan->start + (pat_day)d, season) / mean;
        const double weight = 1 + plan->seasonality * (usual - 1);
        calendar->weight[d] = weight > 0.05 ? weight : 0.05;
        calendar->sum[d + 1] = calendar->sum[d] + calendar->weight[d];
    }
    calendar->units = (uint32_t)calendar->sum[world->days];
    calendar->day_at = pat_arena_array(world->arena, calendar->units + 2, sizeof *calendar->day_at);
    if (calendar->day_at == NULL) return false;
    uint32_t day = 0;
    for (uint32_t unit = 0; unit <= calendar->units; unit++) {
        while (day + 1 < world->days && calendar->sum[day + 1] <= unit) day++;
        calendar->day_at[unit] = day;
    }
    return true;
}

/* New customers come with the seasons and grow in number by the year. */
static bool acquisition_init(struct pat_gen_world *world) {
    world->acquired = pat_arena_array(world->arena, world->days + 1, sizeof *world->acquired);
    if (world->acquired == NULL) return false;
    const double daily = pat_random_exp(pat_random_log(1 + world->plan->growth) / 365.25);
    double level = 1;
    for (uint32_t d = 0; d < world->days; d++) {
        double weight = 0;
        for (unsigned s = 0; s < PAT_GEN_SEASONS; s++) weight += world->calendar[s].weight[d];
        world->acquired[d + 1] = world->acquired[d] + weight * level;
        /* A century of growth would leave the range of numbers; nobody's shop grows that long. */
        if (level < 1e9) level *= daily;
    }
    const double total = world->acquired[world->days];
    for (uint32_t d = 0; d <= world->days; d++) world->acquired[d] /= total;
    return true;
}

static bool days_init(struct pat_gen_world *world) {
    for (unsigned season = 0; season < PAT_GEN_SEASONS; season++) {
        if (!calendar_init(world, season)) return false;
    }
    world->festival = pat_arena_array(world->arena, world->days, 1);
    world->day_text = pat_arena_array(world->arena, world->days + PAT_GEN_DAYS_AFTER, sizeof *world->day_text);
    if (world->festival == NULL || world->day_text == NULL) return false;
    for (uint32_t d = 0; d < world->days + PAT_GEN_DAYS_AFTER; d++) {
        const pat_day day = world->plan->start + (pat_day)d;
        pat_day_print(day, world->day_text[d]);
        if (d < world->days && world->plan->promotions > 0) world->festival[d] = (uint8_t)festival_of(day);
    }
    return acquisition_init(world);
}

/* ---- money ----------------------------------------------------------------------------------------------------- */

/* Six digits, as rates are published: "0.00676123", "3.25104". */
static int64_t publish(double rate) {
    double scaled = rate;
    int scale = 0;
    while (scaled < 100000 && scale < PAT_DECIMAL_SCALE_MAX) {
        scaled *= 10;
        scale++;
    }
    pat_decimal decimal = 0;
    const bool fits = pat_decimal_make((int64_t)(scaled + 0.5), scale, &decimal);
    PAT_ASSERT(fits);
    return decimal;
}

static bool rates_init(struct pat_gen_world *world, unsigned place, unsigned market, double base_dollars,
                       double base_step) {
    struct pat_gen_currency *currency = &world->currency[place];
    currency->rate = pat_arena_array(world->arena, world->days, sizeof *currency->rate);
    currency->per_base = pat_arena_array(world->arena, world->days, sizeof *currency->per_base);
    currency->decimal = pat_arena_array(world->arena, world->days, sizeof *currency->decimal);
    if (currency->rate == NULL || currency->per_base == NULL || currency->decimal == NULL) return false;
    double minor = 1;
    for (unsigned d = 0; d < currency->digits; d++) minor *= 10;
    struct pat_random random = pat_random_of(world->key[PAT_GEN_STREAM_RATES], market);
    const double step = place == 0 ? 0 : markets[market].step + base_step / 2;
    double away = 0; /* logarithm of how far from its start */
    for (uint32_t d = 0; d < world->days; d++) {
        currency->decimal[d] = publish(markets[market].dollars / base_dollars * pat_random_exp(away));
        currency->rate[d] = pat_decimal_to_double(currency->decimal[d]);
        currency->per_base[d] = minor / currency->rate[d];
        away += step * pat_random_normal(&random) - RATE_PULL * away;
    }
    return true;
}

static unsigned market_of(const char *code) {
    unsigned market = 0;
    while (market < PAT_GEN_CURRENCIES - 1 && strcmp(pat_gen_currency_codes[market], code) != 0) market++;
    return market;
}

static bool currencies_init(struct pat_gen_world *world) {
    const unsigned base = market_of(world->plan->base);
    for (unsigned place = 0, market = 0; place < world->plan->currencies; place++) {
        if (place > 0 && market == base) market++;
        const unsigned of = place == 0 ? base : market++;
        struct pat_gen_currency *currency = &world->currency[place];
        currency->code = pat_gen_currency_codes[of];
        currency->digits = pat_currencies[pat_currency_find(pat_text_of(currency->code))].digits;
        if (!rates_init(world, place, of, markets[base].dollars, markets[base].step)) return false;
    }
    for (unsigned c = 0; c < PAT_GEN_COUNTRIES; c++) {
        for (unsigned place = 0; place < world->plan->currencies; place++) {
            if (strcmp(world->currency[place].code, pat_gen_countries[c].currency) == 0) {
                world->currency_of[c] = (uint8_t)place;
            }
        }
    }
    return true;
}

/* ---- chance tables --------------------------------------------------------------------------------------------- */

/* Each of `count` gets places by its weight; every one at least one. */
static void pick_init(uint8_t pick[PAT_GEN_PICKS], const double *weight, unsigned count) {
    double total = 0, before = 0;
    for (unsigned i = 0; i < count; i++) total += weight[i];
    unsigned at = 0;
    for (unsigned i = 0; i < count; i++) {
        before += weight[i];
        unsigned behind = (unsigned)(before / total * PAT_GEN_PICKS + 0.5);
        if (behind <= at) behind = at + 1;
        if (i == count - 1) behind = PAT_GEN_PICKS;
        while (at < behind && at < PAT_GEN_PICKS) pick[at++] = (uint8_t)i;
    }
}

static void picks_init(struct pat_gen_world *world) {
    double weight[PAT_GEN_COUNTRIES];
    for (unsigned c = 0; c < world->plan->countries; c++) weight[c] = pat_gen_countries[c].weight;
    pick_init(world->pick_country, weight, world->plan->countries);
    pick_init(world->pick_hour, hours, 24);
}

enum pat_status pat_gen_world_init(struct pat_gen_world *world, const struct pat_gen_plan *plan,
                                   struct pat_arena *arena, struct pat_error *error) {
    *world = (struct pat_gen_world){.plan = plan, .days = pat_gen_days(plan), .arena = arena};
    for (unsigned stream = 0; stream < PAT_GEN_STREAMS; stream++)
        world->key[stream] = pat_random_key(plan->seed, stream);
    world->rate_scale_days = plan->rate_scale * 7;
    picks_init(world);
    if (days_init(world) && currencies_init(world) && pat_gen_names_init(world)) return PAT_OK;
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a calendar of %u days", world->days);
}

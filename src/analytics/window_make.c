/* Blocks of a window: what runs say, what lies behind them, and the chains of whoever changed. */
#include "analytics/explain_private.h"
#include "analytics/window_make_private.h"

#define DAYS_MAX 65536 /* of a run: days from its base on */

/* ---- a fact more ------------------------------------------------------------------------------------------------- */

static void note_beyond(struct pat_window_scratch *to, uint32_t i) {
    if (!to->any_beyond) memset(to->beyond, 0, sizeof to->beyond);
    to->any_beyond = true;
    pat_bits__set(to->beyond, i);
}

static void note_unpriced(struct pat_window_scratch *to, uint32_t i) {
    if (!to->any_unpriced) memset(to->wide.unpriced, 0, sizeof to->wide.unpriced);
    to->any_unpriced = true;
    to->wide.unpriced[i]++;
}

/* Wraps instead of overflowing, and notes whose sum did: chains put that right whatever the order of facts. */
static inline void add_net(struct pat_window_scratch *to, uint32_t i, int64_t net) {
    if (__builtin_add_overflow(to->wide.net[i], net, &to->wide.net[i]) || to->wide.net[i] == INT64_MIN) {
        note_beyond(to, i);
    }
}

/* The same for facts up to D, whether in the window or before. */
static inline void add_beside(const struct pat_window *window, struct pat_window_scratch *to, uint32_t i,
                              uint32_t there, int32_t day, uint32_t order, int64_t net) {
    if (window->beside->first != NULL && order != 0 && (to->first[i] == PAT_FACT_NO_DAY || day < to->first[i])) {
        to->first[i] = day;
    }
    const int64_t counts = net & -(int64_t)there;
    if (window->beside->net == NULL || net == PAT_NULL) return;
    if (__builtin_add_overflow(to->net_all[i], counts, &to->net_all[i]) || to->net_all[i] == INT64_MIN) {
        note_beyond(to, i);
    }
}

/* A fact that counts at D, or nothing when `there` is 0: whether an old fact had come by D is no guess for a branch.
 * `from` is the window's, which a loop need not read again for each fact. */
static inline void add_inside(struct pat_window_scratch *to, uint32_t i, uint32_t there, pat_day from, int32_t day,
                              uint32_t orders, int64_t net) {
    const uint32_t order = there & orders, inside = there & (uint32_t)(day >= from);
    const int32_t last = order != 0 ? day : PAT_FACT_NO_DAY;
    to->all[i] += order;
    to->wide.orders[i] += order & inside;
    to->wide.last[i] = last > to->wide.last[i] ? last : to->wide.last[i];
    if (net != PAT_NULL) {
        add_net(to, i, net & -(int64_t)inside);
    } else if (inside != 0) {
        note_unpriced(to, i);
    }
}

static inline void add_fact(const struct pat_window *window, struct pat_window_scratch *to, uint32_t i, uint32_t there,
                            int32_t day, uint32_t orders, int64_t net) {
    add_inside(to, i, there, window->from, day, orders, net);
    if (window->beside != NULL) add_beside(window, to, i, there, day, there & orders, net);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

#define ODD_BYTES 16u /* of the columns of an odd fact, those that are read */

/* Customers first .. first + count - 1, and which entries of a run count for them. */
struct span {
    pat_row first;
    uint32_t count;
    uint32_t low, high; /* days of the run: those of the window begin at `low`, all end before `high` */
};

static uint32_t clamp_day(int64_t day) {
    return day < 0 ? 0 : day > DAYS_MAX ? DAYS_MAX : (uint32_t)day;
}

static struct span span_of(const struct pat_window *window, const struct pat_fact_run *run, uint32_t block) {
    const pat_row first = block * PAT_WINDOW_ROWS;
    const uint32_t count = pat_window__count(window, block);
    const uint32_t high = clamp_day((int64_t)window->day + 1 - run->day_base);
    const uint32_t low = clamp_day((int64_t)window->from - run->day_base);
    const uint32_t there = run->customers <= first ? 0 : run->customers - first;
    return (struct span){first, there < count ? there : count, low < high ? low : high, high};
}

static void clear(const struct pat_window *window, struct pat_window_scratch *to, uint32_t from, uint32_t end) {
    const size_t rows = end - from;
    memset(to->all + from, 0, rows * sizeof *to->all);
    memset(to->wide.orders + from, 0, rows * sizeof *to->wide.orders);
    memset(to->wide.net + from, 0, rows * sizeof *to->wide.net);
    for (uint32_t i = from; i < end; i++) to->wide.last[i] = PAT_FACT_NO_DAY;
    if (window->beside == NULL) return;
    memset(to->net_all + from, 0, rows * sizeof *to->net_all);
    for (uint32_t i = from; i < end; i++) to->first[i] = PAT_FACT_NO_DAY;
}

/* What the first run says beside the window; its entries were read just now. */
static void take_beside(const struct pat_window *window, const struct pat_fact_run *run, const struct span *span,
                        struct pat_window_scratch *to) {
    uint32_t counts[PAT_WINDOW_ROWS]; /* nobody asks */
    if (window->beside->net != NULL && span->low == 0) {
        memcpy(to->net_all, to->wide.net, span->count * sizeof *to->net_all);
    } else if (window->beside->net != NULL) {
        window->run->kernels->run_window(run->offset + span->first, span->count, run->day, run->net, 0, span->high,
                                         run->day_base, NULL, counts, to->net_all, NULL);
    }
    for (uint32_t i = 0; window->beside->first != NULL && i < span->count; i++) {
        const uint32_t at = run->offset[span->first + i];
        const bool any = at < run->offset[span->first + i + 1] && run->day[at] < span->high;
        to->first[i] = any ? run->day_base + run->day[at] : PAT_FACT_NO_DAY;
    }
}

/* The first run of a block: nothing was there before. */
static void take_dense(const struct pat_window *window, const struct pat_fact_run *run, const struct span *span,
                       struct pat_window_scratch *to) {
    window->run->kernels->run_window(run->offset + span->first, span->count, run->day, run->net, span->low, span->high,
                                     run->day_base, to->all, to->wide.orders, to->wide.net, to->wide.last);
    const uint32_t entries = run->offset[span->first + span->count] - run->offset[span->first];
    pat_explain__read(window->run, (uint64_t)entries * (sizeof *run->day + sizeof *run->net) +
                                       (uint64_t)span->count * sizeof *run->offset);
}

/* A later one: such runs hold few. */
static void add_dense(const struct pat_window *window, const struct pat_fact_run *run, const struct span *span,
                      struct pat_window_scratch *to) {
    for (uint32_t i = 0; i < span->count; i++) {
        const uint32_t end = run->offset[span->first + i + 1];
        for (uint32_t at = run->offset[span->first + i]; at < end && run->day[at] < span->high; at++) {
            add_fact(window, to, i, 1, run->day_base + run->day[at], 1, run->net[at]);
        }
    }
}

static void add_sparse(const struct pat_window *window, const struct pat_fact_run *run, const struct span *span,
                       struct pat_window_scratch *to) {
    const uint32_t block = span->first / PAT_RUN_BLOCK;
    for (uint32_t at = run->block[block]; at < run->block[block + 1]; at++) {
        add_fact(window, to, run->customer[at] - span->first, run->day[at] < span->high, run->day_base + run->day[at],
                 1, run->net[at]);
    }
}

/* Which of a few odd facts count: bitmaps over them. */
struct odds {
    const struct pat_run_odds *of;
    uint32_t first, count;                                        /* PAT_WINDOW_ROWS at the most */
    uint64_t orders[PAT_WINDOW_WORDS], refunds[PAT_WINDOW_WORDS]; /* there at D, but for wide ones */
    uint64_t inside[PAT_WINDOW_WORDS];                            /* dated in the window */
};

/* A day as odd facts count them, or the nearest one. */
static uint16_t odd_day(const struct pat_run_odds *of, pat_day day, uint16_t most) {
    const int64_t above = (int64_t)day - of->base;
    return (uint16_t)(above < 0 ? 0 : above < most ? above : most);
}

static void find_odds(const struct pat_window *window, struct odds *odds) {
    const struct pat_kernels *kernels = window->run->kernels;
    const struct pat_run_odds *of = odds->of;
    const size_t n = odds->count, words = pat_bits__words(n);
    const uint16_t day = odd_day(of, window->day, UINT16_MAX - 1), from = odd_day(of, window->from, UINT16_MAX);
    uint64_t there[PAT_WINDOW_WORDS];
    kernels->select_range_u16(of->from + odds->first, n, 0, day, there);
    kernels->select_range_u16(of->until + odds->first, n, (uint16_t)(day + 1), UINT16_MAX, odds->inside);
    kernels->bits_and(there, odds->inside, words);
    kernels->select_range_u16(of->refers + odds->first, n, PAT_RUN_ODD_ORDER, PAT_RUN_ODD_ORDER, odds->orders);
    memcpy(odds->refunds, there, words * sizeof *there);
    kernels->bits_andnot(odds->refunds, odds->orders, words);
    kernels->bits_and(odds->orders, there, words);
    kernels->select_range_u16(of->day + odds->first, n, from, UINT16_MAX, odds->inside);
}

static void add_odd_order(const struct odds *odds, uint32_t k, pat_row first, struct pat_window_scratch *to) {
    const struct pat_run_odds *of = odds->of;
    const uint32_t at = odds->first + k, i = of->customer[at] - first;
    const uint32_t inside = odds->inside[k / 64] >> (k % 64) & 1;
    const int32_t day = of->base + of->day[at];
    to->all[i]++;
    to->wide.orders[i] += inside;
    to->wide.last[i] = day > to->wide.last[i] ? day : to->wide.last[i];
    add_net(to, i, of->net[at] & -(int64_t)inside);
}

static void add_odds(const struct odds *odds, pat_row first, struct pat_window_scratch *to) {
    const struct pat_run_odds *of = odds->of;
    for (uint32_t word = 0; word < pat_bits__words(odds->count); word++) {
        for (uint64_t rest = odds->orders[word]; rest != 0; rest &= rest - 1) {
            add_odd_order(odds, word * 64 + (uint32_t)__builtin_ctzll(rest), first, to);
        }
        for (uint64_t rest = odds->refunds[word] & odds->inside[word]; rest != 0; rest &= rest - 1) {
            const uint32_t at = odds->first + word * 64 + (uint32_t)__builtin_ctzll(rest);
            add_net(to, of->customer[at] - first, of->net[at]);
        }
    }
}

static void add_odds_beside(const struct pat_window *window, const struct odds *odds, pat_row first,
                            struct pat_window_scratch *to) {
    for (uint32_t word = 0; word < pat_bits__words(odds->count); word++) {
        for (uint64_t rest = odds->orders[word] | odds->refunds[word]; rest != 0; rest &= rest - 1) {
            const uint32_t at = odds->first + word * 64 + (uint32_t)__builtin_ctzll(rest);
            const struct pat_run_odd odd = pat_run_odd_at(odds->of, at);
            add_beside(window, to, odd.customer - first, 1, odd.day, odd.orders, odd.net);
        }
    }
}

static void add_wide_odds(const struct pat_window *window, const struct pat_run_odds *of, const struct span *span,
                          struct pat_window_scratch *to) {
    const uint64_t end = (uint64_t)span->first + span->count;
    if (of->wide_count == 0) return;
    for (uint32_t at = pat_run_first_wide(of, span->first); at < of->wide_count; at++) {
        const struct pat_run_odd *odd = &of->wide[at];
        if (odd->customer >= end) return;
        const bool there = odd->from <= window->day && window->day < odd->until;
        if (there) add_fact(window, to, odd->customer - span->first, 1, odd->day, odd->orders, odd->net);
    }
}

static void add_odd(const struct pat_window *window, const struct pat_fact_run *run, const struct span *span,
                    struct pat_window_scratch *to) {
    const uint32_t block = span->first / PAT_RUN_BLOCK, end = run->odd.block[block + 1];
    struct odds odds = {.of = &run->odd};
    add_wide_odds(window, &run->odd, span, to);
    if (window->day < run->odd.base) return; /* all of the others come later */
    for (odds.first = run->odd.block[block]; odds.first < end; odds.first += odds.count) {
        odds.count = end - odds.first < PAT_WINDOW_ROWS ? end - odds.first : PAT_WINDOW_ROWS;
        find_odds(window, &odds);
        add_odds(&odds, span->first, to);
        if (window->beside != NULL) add_odds_beside(window, &odds, span->first, to);
        pat_explain__read(window->run, (uint64_t)odds.count * ODD_BYTES);
    }
}

static void add_run(const struct pat_window *window, const struct pat_fact_run *run, uint32_t block,
                    struct pat_window_scratch *to) {
    const struct span span = span_of(window, run, block);
    if (span.count == 0) return;
    if (run->offset == NULL) add_sparse(window, run, &span, to);
    if (run->offset != NULL && run != window->view->runs.run[0]) add_dense(window, run, &span, to);
    add_odd(window, run, &span, to);
}

static void take_runs(const struct pat_window *window, uint32_t block, struct pat_window_scratch *to) {
    const struct pat_runs *runs = &window->view->runs;
    const struct span span = span_of(window, runs->run[0], block);
    const bool dense = runs->run[0]->offset != NULL && span.count > 0;
    if (dense) take_dense(window, runs->run[0], &span, to);
    if (dense && window->beside != NULL) take_beside(window, runs->run[0], &span, to);
    clear(window, to, dense ? span.count : 0, pat_window__count(window, block));
    for (uint32_t i = 0; i < runs->count; i++) add_run(window, runs->run[i], block, to);
}

/* ---- a kept window ----------------------------------------------------------------------------------------------- */

static bool run_has_block(const struct pat_fact_run *run, uint32_t block) {
    const uint64_t first = (uint64_t)block * PAT_RUN_BLOCK;
    if (run->customers <= first) return false;
    const uint64_t end = first + PAT_RUN_BLOCK < run->customers ? first + PAT_RUN_BLOCK : run->customers;
    if (run->odd.block[block] != run->odd.block[block + 1]) return true;
    return run->offset != NULL ? run->offset[first] != run->offset[end] : run->block[block] != run->block[block + 1];
}

static bool any_stale(const struct pat_window *window, uint32_t block) {
    const uint64_t words = pat_bits__words(pat_window__count(window, block));
    const uint64_t *stale = window->stale + (uint64_t)block * PAT_WINDOW_WORDS;
    uint64_t any = 0;
    for (uint64_t word = 0; word < words; word++) any |= stale[word];
    return any != 0;
}

static bool any_moved(const struct pat_window *window, uint32_t block) {
    const uint32_t *start = window->moved.start;
    return start != NULL && start[block] != start[block + 1];
}

bool pat_window__differs(const struct pat_window *window, uint32_t block) {
    return window->tail.start[block] != window->tail.start[block + 1] || any_stale(window, block);
}

/* Customers that came after it have nothing there: all rows of a block are set. */
static const struct pat_window_narrow *kept_block(const struct pat_window *window, uint32_t block) {
    const struct pat_kept_window *kept = window->kept;
    return kept != NULL && block < kept->blocks && kept->there[block] ? &kept->narrow[block] : NULL;
}

/* The kept block, when there is nothing to add to it but facts that were moved, or NULL. */
static const struct pat_window_narrow *same_block(const struct pat_window *window, uint32_t block) {
    const struct pat_window_narrow *kept = kept_block(window, block);
    const struct pat_runs *runs = &window->view->runs;
    if (kept == NULL || pat_window__differs(window, block)) return NULL;
    for (uint32_t i = window->kept->runs; i < runs->count; i++) {
        if (run_has_block(runs->run[i], block)) return NULL;
    }
    return kept;
}

const struct pat_window_narrow *pat_window__unchanged(const struct pat_window *window, uint32_t block) {
    return any_moved(window, block) ? NULL : same_block(window, block);
}

static void take_narrow(const struct pat_window *window, const struct pat_window_narrow *from, uint32_t count,
                        struct pat_window_scratch *to) {
    for (uint32_t i = 0; i < count; i++) {
        const bool any = from->age[i] != PAT_WINDOW_NO_AGE;
        to->wide.orders[i] = from->orders[i];
        to->wide.net[i] = from->net[i];
        to->wide.last[i] = any ? window->day - from->age[i] : PAT_FACT_NO_DAY;
        to->all[i] = !any ? 0 : pat_bits__get(from->once, i) ? 1 : 2;
    }
}

/* Facts that the kept window has and this one has not, or the other way round. */
static void move(const struct pat_window *window, uint32_t block, struct pat_window_scratch *to) {
    const bool out = window->kept->from < window->from;
    for (uint32_t at = window->moved.start[block]; at < window->moved.start[block + 1]; at++) {
        const struct pat_window_fact *fact = &window->moved.fact[at];
        const uint32_t i = fact->customer - block * PAT_WINDOW_ROWS;
        to->wide.orders[i] += out ? 0 - fact->orders : fact->orders;
        if (fact->net == PAT_NULL) {
            if (!out) note_unpriced(to, i);
        } else {
            add_net(to, i, out ? -fact->net : fact->net);
        }
    }
}

/* The same in narrow values: of most blocks little else is to be done than copying them. False when they do not hold a
 * fact or a sum of it, and then `to` means nothing. Last days and first orders lie in both windows. */
static bool move_narrow(const struct pat_window *window, uint32_t block, struct pat_window_narrow *to) {
    const bool out = window->kept->from < window->from;
    bool fits = true;
    if (!any_moved(window, block)) return true;
    for (uint32_t at = window->moved.start[block]; at < window->moved.start[block + 1]; at++) {
        const struct pat_window_fact *fact = &window->moved.fact[at];
        const uint32_t i = fact->customer - block * PAT_WINDOW_ROWS;
        const int64_t net = fact->net == PAT_NULL ? 0 : fact->net;
        const int64_t orders = (int64_t)to->orders[i] + (out ? -(int64_t)fact->orders : (int64_t)fact->orders);
        int64_t sum;
        fits = fits && (out || fact->net != PAT_NULL) && orders == (uint16_t)orders;
        fits = fits && !__builtin_add_overflow((int64_t)to->net[i], out ? -net : net, &sum) && sum == (int32_t)sum;
        if (!fits) return false;
        to->orders[i] = (uint16_t)orders;
        to->net[i] = (int32_t)sum;
    }
    return true;
}

/* ---- narrow blocks ----------------------------------------------------------------------------------------------- */

/* False when it does not fit. Rows behind the customers there are read as those of somebody without facts. */
static bool pack(const struct pat_window *window, uint32_t count, const struct pat_window_scratch *from,
                 struct pat_window_narrow *to) {
    const struct pat_kernels *kernels = window->run->kernels;
    if (from->any_unpriced || !kernels->window_pack(from->wide.orders, from->wide.net, from->wide.last, count,
                                                    window->day, to->orders, to->net, to->age)) {
        return false;
    }
    kernels->select_range_u32(from->all, count, 1, 1, to->once);
    const uint32_t words = (uint32_t)pat_bits__words(count);
    memset(to->once + words, 0, (PAT_WINDOW_WORDS - words) * sizeof *to->once);
    memset(to->orders + count, 0, (PAT_WINDOW_ROWS - count) * sizeof *to->orders);
    memset(to->net + count, 0, (PAT_WINDOW_ROWS - count) * sizeof *to->net);
    for (uint32_t i = count; i < PAT_WINDOW_ROWS; i++) to->age[i] = PAT_WINDOW_NO_AGE;
    return true;
}

static void keep_block(struct pat_window *window, uint32_t block, const struct pat_window_scratch *from) {
    struct pat_kept_window *keeping = window->keeping;
    if (keeping == NULL || from->any_beyond) return; /* chains will say more than runs do */
    keeping->there[block] = pack(window, pat_window__count(window, block), from, &keeping->narrow[block]);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void add_tail(const struct pat_window *window, uint32_t block, struct pat_window_scratch *to) {
    for (uint32_t at = window->tail.start[block]; at < window->tail.start[block + 1]; at++) {
        const struct pat_window_fact *fact = &window->tail.fact[at];
        add_fact(window, to, fact->customer - block * PAT_WINDOW_ROWS, 1, fact->day, fact->orders, fact->net);
    }
}

static void follow(const struct pat_window *window, pat_row customer, uint32_t i, struct pat_window_scratch *to) {
    struct pat_customer_facts of;
    pat_facts__of_customer(window->run, customer, &of);
    const int64_t last = of.value[PAT_FACT_LAST];
    to->all[i] = (uint32_t)of.value[PAT_FACT_ORDERS];
    to->wide.orders[i] = (uint32_t)of.value[PAT_FACT_WINDOW_ORDERS];
    to->wide.net[i] = of.value[PAT_FACT_WINDOW_NET];
    to->wide.last[i] = last == PAT_NULL ? PAT_FACT_NO_DAY : (int32_t)last;
    const uint32_t unpriced = (uint32_t)of.value[PAT_FACT_WINDOW_UNPRICED];
    if (unpriced > 0 && !to->any_unpriced) note_unpriced(to, i);
    if (to->any_unpriced) to->wide.unpriced[i] = unpriced;
    if (window->beside == NULL) return;
    const int64_t first = of.value[PAT_FACT_FIRST];
    to->net_all[i] = of.value[PAT_FACT_NET];
    to->first[i] = first == PAT_NULL ? PAT_FACT_NO_DAY : (int32_t)first;
}

static void follow_changed(const struct pat_window *window, uint32_t block, struct pat_window_scratch *to) {
    const uint64_t words = pat_bits__words(pat_window__count(window, block));
    const uint64_t *stale = window->stale + (uint64_t)block * PAT_WINDOW_WORDS;
    for (uint64_t word = 0; word < words; word++) {
        for (uint64_t rest = stale[word] | (to->any_beyond ? to->beyond[word] : 0); rest != 0; rest &= rest - 1) {
            const uint32_t i = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(rest);
            follow(window, block * PAT_WINDOW_ROWS + i, i, to);
        }
    }
}

/* Where runs do not serve: all is in arrays already. */
static void take_facts(const struct pat_window *window, uint32_t block, struct pat_window_scratch *to) {
    const struct pat_facts *facts = window->facts;
    const uint64_t first = (uint64_t)block * PAT_WINDOW_ROWS;
    const size_t count = pat_window__count(window, block);
    memcpy(to->all, facts->orders + first, count * sizeof *to->all);
    memcpy(to->wide.orders, facts->window_orders + first, count * sizeof *to->wide.orders);
    memcpy(to->wide.net, facts->window_net + first, count * sizeof *to->wide.net);
    memcpy(to->wide.last, facts->last + first, count * sizeof *to->wide.last);
    if (facts->window_unpriced == NULL) return;
    memcpy(to->wide.unpriced, facts->window_unpriced + first, count * sizeof *to->wide.unpriced);
    for (size_t i = 0; i < count; i++) to->any_unpriced = to->any_unpriced || to->wide.unpriced[i] != 0;
}

/* To the arrays of all customers. Facts without a price there are none. */
static void put_beside(const struct pat_window *window, uint32_t block, const struct pat_window_scratch *from) {
    const struct pat_facts *facts = window->beside;
    const uint64_t first = (uint64_t)block * PAT_WINDOW_ROWS;
    const size_t count = pat_window__count(window, block);
    if (facts->orders != NULL) memcpy(facts->orders + first, from->all, count * sizeof *from->all);
    if (facts->net != NULL) memcpy(facts->net + first, from->net_all, count * sizeof *from->net_all);
    if (facts->first != NULL) memcpy(facts->first + first, from->first, count * sizeof *from->first);
    if (facts->last != NULL) memcpy(facts->last + first, from->wide.last, count * sizeof *from->wide.last);
}

static void take_block(struct pat_window *window, uint32_t block, struct pat_window_scratch *to) {
    const struct pat_window_narrow *kept = kept_block(window, block);
    to->any_beyond = to->any_unpriced = false;
    if (window->facts != NULL) {
        take_facts(window, block, to);
        return;
    }
    if (kept != NULL) {
        const struct pat_runs *runs = &window->view->runs;
        take_narrow(window, kept, pat_window__count(window, block), to);
        if (any_moved(window, block)) move(window, block, to);
        for (uint32_t i = window->kept->runs; i < runs->count; i++) add_run(window, runs->run[i], block, to);
        pat_explain__read(window->run, sizeof *kept);
    } else {
        take_runs(window, block, to);
    }
    keep_block(window, block, to);
    add_tail(window, block, to);
    follow_changed(window, block, to);
    if (window->beside != NULL && !window->made) put_beside(window, block, to);
}

static struct pat_window_block put_wide(struct pat_window *window, uint32_t block, struct pat_window_scratch *from,
                                        uint32_t count) {
    struct pat_window_wide *const room = window->wide != NULL ? window->wide[block] : NULL;
    window->run->kernels->select_range_u32(from->all, count, 1, 1, from->wide.once);
    if (!from->any_unpriced) memset(from->wide.unpriced, 0, sizeof from->wide.unpriced);
    if (room == NULL) return (struct pat_window_block){.wide = &from->wide};
    *room = from->wide;
    window->block[block].wide = room;
    return window->block[block];
}

/* A kept block that moved facts alone tell from this window's, made of it; NULL when that does not go. */
static const struct pat_window_narrow *moved_block(struct pat_window *window, uint32_t block) {
    const struct pat_window_narrow *kept = window->beside == NULL ? same_block(window, block) : NULL;
    struct pat_kept_window *const keeping = window->keeping;
    struct pat_window_narrow *const to = keeping != NULL ? &keeping->narrow[block] : window->narrow[block];
    if (kept == NULL || to == NULL) return NULL;
    memcpy(to, kept, sizeof *to);
    if (!move_narrow(window, block, to)) return NULL;
    if (keeping != NULL) keeping->there[block] = true;
    pat_explain__read(window->run, sizeof *kept);
    return to;
}

struct pat_window_block pat_window__make(struct pat_window *window, uint32_t block,
                                         struct pat_window_scratch *scratch) {
    const uint32_t count = pat_window__count(window, block);
    struct pat_kept_window *const keeping = window->keeping;
    const struct pat_window_narrow *unchanged = keeping == NULL ? pat_window__unchanged(window, block) : NULL;
    if (unchanged == NULL) unchanged = moved_block(window, block);
    if (unchanged == NULL) {
        take_block(window, block, scratch);
        if (keeping != NULL && keeping->there[block] && !pat_window__differs(window, block)) {
            unchanged = &keeping->narrow[block];
        }
    }
    if (unchanged != NULL) {
        window->block[block].narrow = unchanged;
        return window->block[block];
    }
    struct pat_window_narrow *const room = window->narrow[block] != NULL ? window->narrow[block] : &scratch->narrow;
    if (!pack(window, count, scratch, room)) return put_wide(window, block, scratch, count);
    if (room != &scratch->narrow) window->block[block].narrow = room;
    return (struct pat_window_block){.narrow = room};
}

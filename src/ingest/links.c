/* Chains from customers to their facts and from orders to their refunds, while a batch moves facts about.
 *
 * Taking one item out of a chain means walking it, and a batch may move all orders of somebody who has many. So a move
 * is noted, the item stays where it hangs, and at the end of the batch each chain that lost items is walked once. Until
 * then nobody may walk these chains. */
#include "ingest/ingest_private.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct link {
    enum pat_table_id owners;
    unsigned head;
    enum pat_table_id items;
    unsigned next, owner;
};

static const struct link links[LINKS] = {
    [LINK_CUSTOMER_ORDERS] = {PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, PAT_ORDERS, PAT_ORDER_NEXT, PAT_ORDER_CUSTOMER},
    [LINK_CUSTOMER_REFUNDS] = {PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, PAT_REFUNDS, PAT_REFUND_NEXT,
                               PAT_REFUND_CUSTOMER},
    [LINK_ORDER_REFUNDS] = {PAT_ORDERS, PAT_ORDER_REFUND_HEAD, PAT_REFUNDS, PAT_REFUND_ORDER_NEXT, PAT_REFUND_ORDER},
};

void pat_link__move(struct apply *apply, enum link_kind kind, pat_row item, int64_t owner) {
    const struct link *link = &links[kind];
    struct pat_table *items = &apply->store->table[link->items];
    struct moves *moves = &apply->moves[kind];
    if (moves->count == moves->capacity) {
        size_t capacity = moves->capacity == 0 ? 64 : moves->capacity * 2;
        struct move *bigger = pat_mem_alloc_must(PAT_MEM_OTHER, capacity * sizeof *bigger);
        if (moves->count > 0) memcpy(bigger, moves->move, moves->count * sizeof *bigger);
        pat_mem_free(PAT_MEM_OTHER, moves->move);
        moves->move = bigger;
        moves->capacity = capacity;
    }
    moves->move[moves->count] =
        (struct move){.from = pat_table_get(items, link->owner, item), .item = item, .number = moves->count};
    moves->count++;
    pat_table_set(items, link->owner, item, owner);
}

static int compare_by_item(const void *a, const void *b) {
    const struct move *x = a, *y = b;
    if (x->item != y->item) return x->item < y->item ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int compare_by_from(const void *a, const void *b) {
    const struct move *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

/* An item hangs where its first move found it; those that came back there stay. */
static void keep_first_moves(const struct pat_table *items, const struct link *link, struct moves *moves) {
    size_t kept = 0;
    qsort(moves->move, moves->count, sizeof *moves->move, compare_by_item);
    pat_row last = PAT_ROW_NONE;
    for (size_t i = 0; i < moves->count; i++) {
        struct move move = moves->move[i];
        if (move.item == last) continue;
        last = move.item;
        if (pat_table_get(items, link->owner, move.item) != move.from) moves->move[kept++] = move;
    }
    moves->count = kept;
    qsort(moves->move, moves->count, sizeof *moves->move, compare_by_from);
}

/* Takes items that are not `owner`'s any more out of its chain. */
static void sweep(struct pat_store *store, const struct link *link, pat_row owner) {
    struct pat_table *owners = &store->table[link->owners], *items = &store->table[link->items];
    int64_t kept = PAT_NULL, item = pat_table_get(owners, link->head, owner);
    while (item != PAT_NULL) {
        int64_t next = pat_table_get(items, link->next, (pat_row)item);
        if (pat_table_get(items, link->owner, (pat_row)item) == (int64_t)owner) {
            kept = item;
        } else {
            pat_table_set(items, link->next, (pat_row)item, PAT_NULL);
            if (kept == PAT_NULL) {
                pat_table_set(owners, link->head, owner, next);
            } else {
                pat_table_set(items, link->next, (pat_row)kept, next);
            }
        }
        item = next;
    }
}

static void settle(struct pat_store *store, const struct link *link, struct moves *moves) {
    struct pat_table *owners = &store->table[link->owners], *items = &store->table[link->items];
    if (moves->count == 0) return;
    keep_first_moves(items, link, moves);
    for (size_t i = 0; i < moves->count; i++) {
        int64_t from = moves->move[i].from;
        if (from != PAT_NULL && (i == 0 || moves->move[i - 1].from != from)) sweep(store, link, (pat_row)from);
    }
    for (size_t i = 0; i < moves->count; i++) {
        pat_row item = moves->move[i].item;
        int64_t owner = pat_table_get(items, link->owner, item);
        if (owner != PAT_NULL) pat_chain__push(owners, link->head, (pat_row)owner, items, link->next, item);
    }
    pat_mem_free(PAT_MEM_OTHER, moves->move);
    *moves = (struct moves){0};
}

void pat_links__settle(struct apply *apply) {
    for (int kind = 0; kind < LINKS; kind++) settle(apply->store, &links[kind], &apply->moves[kind]);
}

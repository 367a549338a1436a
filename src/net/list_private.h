/* Rings of things that stand in several lists at once: the links are members of the things, so joining a list takes no
 * memory and leaving one takes no search. A link that stands in no list is all zero. */
#ifndef PAT_NET_LIST_PRIVATE_H
#define PAT_NET_LIST_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

struct pat_link {
    struct pat_link *next, *prev;
};

/* The thing whose member `name` is `*link`. */
#define PAT_LINK_OF(link, type, name) ((type *)(void *)((char *)(link)-offsetof(type, name)))

static inline void pat_list_init(struct pat_link *head) {
    head->next = head->prev = head;
}
static inline bool pat_list_empty(const struct pat_link *head) {
    return head->next == head;
}
static inline bool pat_link_listed(const struct pat_link *link) {
    return link->next != NULL;
}

static inline void pat_list_push(struct pat_link *head, struct pat_link *link) {
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Nothing happens to a link that stands in no list. */
static inline void pat_list_remove(struct pat_link *link) {
    if (link->next == NULL) return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

/* The first link, taken off; NULL when there is none. */
static inline struct pat_link *pat_list_pop(struct pat_link *head) {
    struct pat_link *link = head->next;
    if (link == head) return NULL;
    pat_list_remove(link);
    return link;
}

/* Moves all of `from` behind what is in `to`. */
static inline void pat_list_splice(struct pat_link *to, struct pat_link *from) {
    if (pat_list_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    pat_list_init(from);
}

#endif

/* Who guesses passwords waits: a failed login delays the next one of the same user from the same site, twice as long
 * each time, and nobody else's.
 *
 * A site (an address, or what its owner has of them) has places for a few names. Those beyond share one more, so that
 * neither many names nor many connections make guessing faster, and so that one site takes little of the table that
 * belongs to all. Who logged in keeps a place of his own: he does not wait for what others of his site guess.
 *
 * Thread: one. Time is an argument. */
#ifndef PAT_ACCESS_GUESSES_H
#define PAT_ACCESS_GUESSES_H

#include "access/crypto.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* After the first failed login, and at the most: a person who mistyped hardly notices, a program that guesses gets some
 * ten thousand tries a day. */
#define PAT_GUESS_FIRST_MS UINT64_C(100)
#define PAT_GUESS_MOST_MS  UINT64_C(10000)
/* A place is forgotten when nothing failed there for so long. */
#define PAT_GUESS_FORGET_MS UINT64_C(600000)
/* Names of one site that wait each for itself: colleagues behind one address who mistype on the same morning. */
#define PAT_GUESS_NAMES 16u
/* Those of sixty sites that guess as much as they can; the next one takes the place that was used last longest ago. All
 * are looked at in each login, which is some microseconds. */
#define PAT_GUESS_PLACES   1024u
#define PAT_SITE_BYTES_MAX 16u

/* A user of a site, by keyed digests: what is kept tells nothing, and nobody can choose whom to share a place with. */
struct pat_guesser {
    uint64_t site, who;
};

struct pat_guess {
    struct pat_guesser guesser; /* all zero: free */
    uint64_t until_ms;          /* when the next try may come; when one was right, for who never failed */
    unsigned failures;
};

struct pat_guesses {
    unsigned char secret[PAT_SHA256_BYTES];
    struct pat_guess place[PAT_GUESS_PLACES];
};

/* False when the library has no random numbers. */
bool pat_guesses_init(struct pat_guesses *guesses);
/* `site` has up to PAT_SITE_BYTES_MAX bytes. */
struct pat_guesser pat_guesses_name(const struct pat_guesses *guesses, const void *site, size_t bytes,
                                    struct pat_text user);
/* Milliseconds until he may try; 0 = now. To be asked again right before a proof is looked at: a hundred tries may have
 * begun before the first one failed. */
uint64_t pat_guesses_wait_ms(const struct pat_guesses *guesses, struct pat_guesser guesser, uint64_t now_ms);
/* He was wrong, or right. */
void pat_guesses_failed(struct pat_guesses *guesses, struct pat_guesser guesser, uint64_t now_ms);
void pat_guesses_right(struct pat_guesses *guesses, struct pat_guesser guesser, uint64_t now_ms);

#endif

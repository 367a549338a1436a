#include "access/guesses.h"

#include "access/scram.h"
#include "base/status.h"

#include <string.h>

bool pat_guesses_init(struct pat_guesses *guesses) {
    memset(guesses->place, 0, sizeof guesses->place);
    return pat_crypto_random(guesses->secret, sizeof guesses->secret);
}

static uint64_t digest_of(const struct pat_guesses *guesses, const unsigned char *key, size_t bytes) {
    unsigned char digest[PAT_SHA256_BYTES];
    uint64_t out = 1; /* without a digest all are one */
    if (pat_hmac_sha256(guesses->secret, key, bytes, digest)) memcpy(&out, digest, sizeof out);
    return out != 0 ? out : 1;
}

struct pat_guesser pat_guesses_name(const struct pat_guesses *guesses, const void *site, size_t bytes,
                                    struct pat_text user) {
    unsigned char key[1 + PAT_SITE_BYTES_MAX + PAT_USER_BYTES_MAX];
    PAT_ASSERT(bytes <= PAT_SITE_BYTES_MAX);
    const size_t length = user.length <= PAT_USER_BYTES_MAX ? user.length : PAT_USER_BYTES_MAX;
    key[0] = (unsigned char)bytes;
    memcpy(key + 1, site, bytes);
    memcpy(key + 1 + bytes, user.data, length);
    return (struct pat_guesser){digest_of(guesses, key, 1 + bytes), digest_of(guesses, key, 1 + bytes + length)};
}

static bool is_forgotten(const struct pat_guess *guess, uint64_t now_ms) {
    return now_ms > guess->until_ms + PAT_GUESS_FORGET_MS;
}

static bool is_other_names(const struct pat_guess *guess) {
    return guess->guesser.who == guess->guesser.site;
}

/* Where he waits: a place of his own, else that of the site's other names, when it has used up its own ones; which is
 * the name he goes by from here on. NULL: nothing is known of him. */
static const struct pat_guess *find(const struct pat_guesses *guesses, struct pat_guesser *guesser, uint64_t now_ms) {
    const struct pat_guess *others = NULL;
    unsigned names = 0;
    for (size_t i = 0; i < PAT_GUESS_PLACES; i++) {
        const struct pat_guess *guess = &guesses->place[i];
        if (guess->guesser.site != guesser->site) continue;
        if (guess->guesser.who == guesser->who) return guess;
        if (is_other_names(guess)) {
            others = guess;
        } else if (guess->failures > 0 && !is_forgotten(guess, now_ms)) {
            names++;
        }
    }
    if (names < PAT_GUESS_NAMES) return NULL;
    guesser->who = guesser->site;
    return others;
}

uint64_t pat_guesses_wait_ms(const struct pat_guesses *guesses, struct pat_guesser guesser, uint64_t now_ms) {
    const struct pat_guess *guess = find(guesses, &guesser, now_ms);
    return guess == NULL || now_ms >= guess->until_ms ? 0 : guess->until_ms - now_ms;
}

/* Of two places the one that is missed less: who never failed first, then who failed longest ago. */
static bool is_missed_less(const struct pat_guess *a, const struct pat_guess *b) {
    if ((a->failures == 0) != (b->failures == 0)) return a->failures == 0;
    return a->until_ms < b->until_ms;
}

static struct pat_guess *take(struct pat_guesses *guesses, struct pat_guesser guesser) {
    struct pat_guess *taken = &guesses->place[0];
    for (size_t i = 1; i < PAT_GUESS_PLACES; i++) {
        if (is_missed_less(&guesses->place[i], taken)) taken = &guesses->place[i];
    }
    *taken = (struct pat_guess){.guesser = guesser};
    return taken;
}

static struct pat_guess *find_or_take(struct pat_guesses *guesses, struct pat_guesser guesser, uint64_t now_ms) {
    const struct pat_guess *found = find(guesses, &guesser, now_ms);
    struct pat_guess *guess = found != NULL ? &guesses->place[found - guesses->place] : take(guesses, guesser);
    if (is_forgotten(guess, now_ms)) guess->failures = 0;
    return guess;
}

void pat_guesses_failed(struct pat_guesses *guesses, struct pat_guesser guesser, uint64_t now_ms) {
    struct pat_guess *guess = find_or_take(guesses, guesser, now_ms);
    const unsigned shift = guess->failures < 10 ? guess->failures : 10;
    const uint64_t wait_ms = PAT_GUESS_FIRST_MS << shift;
    guess->failures++;
    guess->until_ms = now_ms + (wait_ms < PAT_GUESS_MOST_MS ? wait_ms : PAT_GUESS_MOST_MS);
}

/* What failed before stays: else whoever guesses beside somebody who logs in all the time would hardly wait. */
void pat_guesses_right(struct pat_guesses *guesses, struct pat_guesser guesser, uint64_t now_ms) {
    const uint64_t who = guesser.who;
    const struct pat_guess *found = find(guesses, &guesser, now_ms);
    guesser.who = who;
    struct pat_guess *guess =
        found != NULL && found->guesser.who == who ? &guesses->place[found - guesses->place] : take(guesses, guesser);
    if (is_forgotten(guess, now_ms)) guess->failures = 0;
    if (guess->failures == 0) guess->until_ms = now_ms;
}

/* Who guesses waits, and nobody else. */
#include "access/guesses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define HOUR_MS UINT64_C(3600000)

static struct pat_guesses guesses;
static uint64_t now;

static int fresh(void **state) {
    (void)state;
    now = HOUR_MS;
    return pat_guesses_init(&guesses) ? 0 : -1;
}

static struct pat_guesser name(unsigned site, const char *user) {
    return pat_guesses_name(&guesses, &site, sizeof site, pat_text_of(user));
}

static struct pat_guesser name_number(unsigned site, unsigned number) {
    char user[16];
    (void)snprintf(user, sizeof user, "x%u", number);
    return name(site, user);
}

/* Whether he may try, which fails then. */
static bool guess(struct pat_guesser guesser) {
    if (pat_guesses_wait_ms(&guesses, guesser, now) > 0) return false;
    pat_guesses_failed(&guesses, guesser, now);
    return true;
}

static void each_failure_doubles_the_wait_up_to_ten_seconds(void **state) {
    (void)state;
    const struct pat_guesser ana = name(1, "ana");
    assert_int_equal(pat_guesses_wait_ms(&guesses, ana, now), 0);
    for (uint64_t expected = 100; expected < 20000; expected *= 2) {
        assert_true(guess(ana));
        assert_int_equal(pat_guesses_wait_ms(&guesses, ana, now), expected < 10000 ? expected : 10000);
        assert_int_equal(pat_guesses_wait_ms(&guesses, name(1, "leo"), now), 0);
        assert_int_equal(pat_guesses_wait_ms(&guesses, name(2, "ana"), now), 0);
        now += expected < 10000 ? expected : 10000;
    }
    now += PAT_GUESS_FORGET_MS + 1;
    assert_true(guess(ana));
    assert_int_equal(pat_guesses_wait_ms(&guesses, ana, now), 100);
}

static void many_wrong_names_of_one_site_are_nobody_elses_wait(void **state) {
    (void)state;
    for (unsigned i = 0; i < 20000; i++, now += 7) {
        (void)guess(name_number(66, i % 3000));
        if (i % 100 == 0) assert_int_equal(pat_guesses_wait_ms(&guesses, name(100 + i, "ana"), now), 0);
    }
    /* And they take few places from those who guess elsewhere. */
    unsigned taken = 0;
    for (unsigned i = 0; i < PAT_GUESS_PLACES; i++) taken += guesses.place[i].failures > 0;
    assert_in_range(taken, 1, PAT_GUESS_NAMES + 1);
}

static void names_in_turn_are_guessed_no_faster(void **state) {
    (void)state;
    unsigned tries = 0;
    for (const uint64_t end = now + HOUR_MS; now < end; now += 3)
        tries += guess(name_number(5, (unsigned)(now / 3 % 400)));
    /* Ten for each place until the waits are long, then one in ten seconds. */
    assert_in_range(tries, 1, (PAT_GUESS_NAMES + 1) * (10 + HOUR_MS / PAT_GUESS_MOST_MS));
}

static void who_logged_in_does_not_wait_for_what_his_site_guesses(void **state) {
    (void)state;
    pat_guesses_right(&guesses, name(5, "ana"), now);
    for (unsigned i = 0; i < 5000; i++, now += 2) (void)guess(name_number(5, i));
    assert_int_not_equal(pat_guesses_wait_ms(&guesses, name(5, "new"), now), 0);
    assert_int_equal(pat_guesses_wait_ms(&guesses, name(5, "ana"), now), 0);
    pat_guesses_right(&guesses, name(5, "late"), now);
    assert_int_equal(pat_guesses_wait_ms(&guesses, name(5, "late"), now), 0);
}

static void a_right_password_does_not_help_who_guesses_beside_it(void **state) {
    (void)state;
    const struct pat_guesser ana = name(5, "ana");
    for (unsigned i = 0; i < 5; i++) {
        assert_true(guess(ana));
        now += pat_guesses_wait_ms(&guesses, ana, now);
        pat_guesses_right(&guesses, ana, now);
    }
    assert_true(guess(ana));
    assert_int_equal(pat_guesses_wait_ms(&guesses, ana, now), 3200);
}

static void more_sites_than_places_are_taken_in(void **state) {
    (void)state;
    for (unsigned site = 1; site <= 3 * PAT_GUESS_PLACES; site++, now++) {
        pat_guesses_right(&guesses, name(site, "bob"), now);
        assert_true(guess(name(site, "ana")));
        assert_false(guess(name(site, "ana")));
    }
    assert_false(guess(name(3 * PAT_GUESS_PLACES - 50, "ana")));
    assert_true(guess(name(1, "ana")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_failure_doubles_the_wait_up_to_ten_seconds, fresh),
        cmocka_unit_test_setup(many_wrong_names_of_one_site_are_nobody_elses_wait, fresh),
        cmocka_unit_test_setup(names_in_turn_are_guessed_no_faster, fresh),
        cmocka_unit_test_setup(who_logged_in_does_not_wait_for_what_his_site_guesses, fresh),
        cmocka_unit_test_setup(a_right_password_does_not_help_who_guesses_beside_it, fresh),
        cmocka_unit_test_setup(more_sites_than_places_are_taken_in, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The heap's end, touched ahead: nothing that the heap holds changes, and starting, looking and ending in any order are
 * harmless. That pages are there sooner is for benches. */
#include "base/heap_ahead.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKS      600u
#define BLOCK_BYTES ((size_t)200 << 10)

static void what_the_heap_holds_stays(void **state) {
    static unsigned char *block[BLOCKS];
    (void)state;
    pat_heap_ahead_look(); /* before there is a thread */
    pat_heap_ahead_start();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            block[i] = pat_mem_alloc(PAT_MEM_ORDERS, BLOCK_BYTES);
            assert_non_null(block[i]);
            memset(block[i], (int)(i % 251), BLOCK_BYTES);
            pat_heap_ahead_look();
        }
        for (unsigned i = 0; i < BLOCKS; i++) {
            for (size_t at = 0; at < BLOCK_BYTES; at += 509) assert_int_equal(block[i][at], i % 251);
            pat_mem_free(PAT_MEM_ORDERS, block[i]);
        }
        pat_heap_ahead_look(); /* it may be shorter now */
    }
    pat_heap_ahead_stop();
    pat_heap_ahead_stop();
    pat_heap_ahead_look();
    assert_int_equal(pat_mem_used_total(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_the_heap_holds_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

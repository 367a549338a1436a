/* Conversions against values worked out with exact fractions (Python's), rounded once half away from zero. */
#include "model/exchange.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DOES_NOT_FIT INT64_MIN

static const struct {
    const char *rate;
    bool per_base;
    int64_t amount;
    unsigned from_digits, to_digits;
    int64_t worth;
} cases[] = {
    {"1.0875", false, INT64_C(2005), 2, 2, INT64_C(2180)},
    {"1.1", false, INT64_C(1000), 2, 2, INT64_C(1100)},
    {"150.57", true, INT64_C(1000), 0, 2, INT64_C(664)},
    {"150.57", true, INT64_C(1000), 0, 0, INT64_C(7)},
    {"0.0066414", false, INT64_C(1000), 0, 3, INT64_C(6641)},
    {"0.5", false, INT64_C(1), 2, 2, INT64_C(1)},
    {"0.5", false, INT64_C(-1), 2, 2, INT64_C(-1)},
    {"0.5", false, INT64_C(3), 2, 2, INT64_C(2)},
    {"2", true, INT64_C(1), 2, 2, INT64_C(1)},
    {"2", true, INT64_C(-3), 2, 2, INT64_C(-2)},
    {"3", true, INT64_C(100), 2, 2, INT64_C(33)},
    {"3", true, INT64_C(200), 2, 2, INT64_C(67)},
    {"0.6163", true, INT64_C(12345), 2, 2, INT64_C(20031)},
    {"3.2525", false, INT64_C(5555), 3, 2, INT64_C(1807)},
    {"0.3075", true, INT64_C(5555), 3, 2, INT64_C(1807)},
    {"3.2525", false, INT64_C(5), 3, 0, INT64_C(0)},
    {"1.5", false, INT64_C(7), 0, 3, INT64_C(10500)},
    {"1", false, INT64_C(1234567890123456), 2, 2, INT64_C(1234567890123456)},
    {"1", true, INT64_C(-987654321), 3, 0, INT64_C(-987654)},
    {"0.000000000000001", false, INT64_C(1000000000000000), 0, 2, INT64_C(100)},
    {"0.000000000000001", true, INT64_C(9223), 0, 2, DOES_NOT_FIT},
    {"0.000000000000001", true, INT64_C(92), 0, 2, INT64_C(9200000000000000000)},
    {"576460752303423487", false, INT64_C(15), 2, 2, INT64_C(8646911284551352305)},
    {"576460752303423487", false, INT64_C(16), 2, 4, DOES_NOT_FIT},
    {"576460752303423487", false, INT64_C(17), 2, 2, DOES_NOT_FIT},
    {"576460752303423487", true, INT64_C(9223372036854775807), 0, 4, INT64_C(160000)},
    {"576460752303423487", true, INT64_C(9223372036854775807), 0, 0, INT64_C(16)},
    {"576.460752303423487", false, INT64_C(9223372036854775807), 4, 0, INT64_C(531691198313966348)},
    {"1", false, INT64_C(9223372036854775807), 2, 2, INT64_C(9223372036854775807)},
    {"0.999999999999999", false, INT64_C(9223372036854775807), 2, 2, INT64_C(9223372036854766584)},
    {"1.00000000000001", false, INT64_C(9223372036854775807), 2, 2, DOES_NOT_FIT},
    {"39.6", true, INT64_C(0), 2, 2, INT64_C(0)},
    {"1.25", false, INT64_C(2), 0, 0, INT64_C(3)},
    {"1.25", false, INT64_C(-2), 0, 0, INT64_C(-3)},
    {"1.2499999999999", false, INT64_C(2), 0, 0, INT64_C(2)},
    {"0.8", true, INT64_C(2), 0, 0, INT64_C(3)},
    {"0.80000000000001", true, INT64_C(2), 0, 0, INT64_C(2)},
    {"7.7558", false, INT64_C(123456789), 0, 2, INT64_C(95750616413)},
    {"1529.4619", true, INT64_C(987654321), 0, 2, INT64_C(64575281)},
    {"0.25", false, INT64_C(500000000000000), 15, 2, INT64_C(13)},
    {"0.125", false, INT64_C(40000000000000), 15, 2, INT64_C(1)},
    {"0.0000000405", false, INT64_C(118126759669), 0, 0, INT64_C(4784)},
    {"2.8", false, INT64_C(6118263270), 3, 0, INT64_C(17131137)},
    {"21.9750", false, INT64_C(-87265133932), 2, 4, INT64_C(-191765131815570)},
    {"52.4219287597808", true, INT64_C(-671578), 4, 3, INT64_C(-1281)},
    {"1.32", true, INT64_C(972370208388590466), 3, 2, INT64_C(73664409726408369)},
    {"672195719565.5", true, INT64_C(32104004000989), 4, 4, INT64_C(48)},
    {"0.00000000375720", false, INT64_C(-1530856664960355799), 3, 2, INT64_C(-575173466)},
    {"253207.297", false, INT64_C(-61390553571504), 2, 2, DOES_NOT_FIT},
    {"694170.45122894", false, INT64_C(-664), 2, 3, INT64_C(-4609291796)},
    {"2.1579", true, INT64_C(-8547954798492209), 2, 0, INT64_C(-39612376840874)},
    {"0.000000001", true, INT64_C(33755015346), 3, 4, DOES_NOT_FIT},
    {"0.000000000004", true, INT64_C(-656), 0, 2, INT64_C(-16400000000000000)},
    {"0.1", false, INT64_C(-2188240900728167776), 4, 2, INT64_C(-2188240900728168)},
    {"2.908219817763319", false, INT64_C(1030734540617539704), 4, 0, INT64_C(299760261787710)},
    {"3216304802.0236", true, INT64_C(37626270786207990), 0, 4, INT64_C(116986023099)},
    {"0.000000006132106", true, INT64_C(-1315784956), 0, 0, INT64_C(-214573093811489886)},
    {"0.00434095428", false, INT64_C(-17902), 2, 2, INT64_C(-78)},
    {"0.000000000002767", false, INT64_C(396612948810371513), 2, 3, INT64_C(10974280)},
    {"21599934299597.38", true, INT64_C(-48273630084821435), 3, 2, INT64_C(-223)},
    {"43759572630825.87", true, INT64_C(783722023421135441), 3, 3, INT64_C(17910)},
    {"0.0001", false, INT64_C(6311282374205162), 4, 3, INT64_C(63112823742)},
    {"109.7158548654972", true, INT64_C(569354659669453644), 2, 3, INT64_C(51893562727778642)},
    {"1783200.1500", true, INT64_C(-1117045365523273), 4, 0, INT64_C(-62643)},
    {"0.0580", false, INT64_C(-1909362623), 3, 4, INT64_C(-1107430321)},
    {"8188997506404.704", true, INT64_C(998103427117229), 2, 2, INT64_C(122)},
    {"55.8231331642", false, INT64_C(-17755646052402), 4, 4, INT64_C(-991175793999639)},
    {"682.58862691", false, INT64_C(-28893218), 2, 3, INT64_C(-197221820016)},
    {"0.00000000152141", false, INT64_C(2717756214770), 2, 3, INT64_C(41348)},
    {"0.00000000260", false, INT64_C(1836354160192690932), 2, 3, INT64_C(47745208165)},
    {"0.0000000047", true, INT64_C(-17102207673), 2, 0, INT64_C(-36387675900000000)},
    {"0.6974713681", false, INT64_C(-455658097485332973), 4, 0, INT64_C(-31780847663894)},
    {"356.42", true, INT64_C(-87532207543213), 0, 2, INT64_C(-24558724971442)},
    {"0.10023914", true, INT64_C(-15547397374269), 4, 4, INT64_C(-155103060284326)},
    {"82571041847643.0", true, INT64_C(-1897404793598861138), 3, 0, INT64_C(-23)},
    {"0.0000000162976", false, INT64_C(-1561290465576332067), 2, 0, INT64_C(-254452875)},
    {"0.90965", false, INT64_C(3), 0, 2, INT64_C(273)},
    {"2039.081425", true, INT64_C(-1877378626658), 3, 0, INT64_C(-920698)},
    {"0.00000000014", false, INT64_C(141690455073086), 2, 0, INT64_C(198)},
    {"0.00551", true, INT64_C(1579520), 3, 0, INT64_C(286664)},
    {"0.0000002258", true, INT64_C(-1349), 2, 2, INT64_C(-5974313552)},
    {"0.000000000031", false, INT64_C(3333851631), 2, 4, INT64_C(10)},
    {"1070.92", true, INT64_C(-264595846957), 0, 2, INT64_C(-24707340133)},
    {"0.000660257", false, INT64_C(284872781107508376), 2, 0, INT64_C(1880892478357)},
    {"37.9667", false, INT64_C(13594823530560645), 4, 2, INT64_C(5161505865377368)},
    {"11.4309270616701", false, INT64_C(-7474324439210713), 4, 2, INT64_C(-854384574998759)},
    {"2", true, INT64_C(-16184843121744830), 2, 0, INT64_C(-80924215608724)},
    {"0.0000085398", false, INT64_C(260537057), 2, 4, INT64_C(222493)},
    {"11.18354158269449", true, INT64_C(40362532721061642), 4, 2, INT64_C(36091011440883)},
    {"0.082102850", true, INT64_C(-19414004), 4, 3, INT64_C(-23645956)},
};

static void conversions_are_exact_until_they_are_rounded(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pat_rate rate = {.per_base = cases[i].per_base};
        assert_true(pat_decimal_parse(pat_text_of(cases[i].rate), false, &rate.value));
        int64_t worth = DOES_NOT_FIT;
        const bool fits = pat_rate_convert(rate, cases[i].amount, cases[i].from_digits, cases[i].to_digits, &worth);
        if (worth != cases[i].worth) {
            fail_msg("%" PRId64 " of %u digits at %s%s: got %" PRId64 ", expected %" PRId64, cases[i].amount,
                     cases[i].from_digits, cases[i].rate, cases[i].per_base ? " per base" : "", worth, cases[i].worth);
        }
        assert_int_equal(fits, worth != DOES_NOT_FIT);
    }
}

static void a_rate_is_per_one_of_two_words(void **state) {
    (void)state;
    bool per_base = true;
    assert_true(pat_rate_per(PAT_TEXT("unit"), &per_base));
    assert_false(per_base);
    assert_true(pat_rate_per(PAT_TEXT("base"), &per_base));
    assert_true(per_base);
    assert_false(pat_rate_per(PAT_TEXT("Base"), &per_base));
    assert_false(pat_rate_per(PAT_TEXT(""), &per_base));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions_are_exact_until_they_are_rounded),
        cmocka_unit_test(a_rate_is_per_one_of_two_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

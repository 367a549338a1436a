#include "model/rfm.h"

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define GROUP_NONE UINT8_MAX
_Static_assert(PAT_RFM_GROUPS_MAX < GROUP_NONE, "a group number never reads as none");

/* Digits 1..5 each, as the published tables write cells. */
#define CELL(digits) [((digits) / 100 - 1) * 25 + ((digits) / 10 % 10 - 1) * 5 + (digits) % 10 - 1]

enum builtin_group {
    CHAMPIONS,
    LOYAL,
    POTENTIAL_LOYALIST,
    NEW,
    PROMISING,
    NEED_ATTENTION,
    ABOUT_TO_SLEEP,
    AT_RISK,
    CANNOT_LOSE,
    HIBERNATING,
    LOST,
    BUILTIN_GROUPS
};

/* A constant, so that any thread may read it at any time; a cell named twice is a compiler warning. */
static const struct pat_rfm_map builtin = {
    .name = "default",
    .groups = BUILTIN_GROUPS,
    .group =
        {
            [CHAMPIONS] = "champions",
            [LOYAL] = "loyal",
            [POTENTIAL_LOYALIST] = "potential_loyalist",
            [NEW] = "new",
            [PROMISING] = "promising",
            [NEED_ATTENTION] = "need_attention",
            [ABOUT_TO_SLEEP] = "about_to_sleep",
            [AT_RISK] = "at_risk",
            [CANNOT_LOSE] = "cannot_lose",
            [HIBERNATING] = "hibernating",
            [LOST] = "lost",
        },
    /* clang-format off */
    .of_cell = {
        CELL(555) = CHAMPIONS, CELL(554) = CHAMPIONS, CELL(544) = CHAMPIONS, CELL(545) = CHAMPIONS,
        CELL(454) = CHAMPIONS, CELL(455) = CHAMPIONS, CELL(445) = CHAMPIONS,
        CELL(543) = LOYAL, CELL(444) = LOYAL, CELL(435) = LOYAL, CELL(355) = LOYAL, CELL(354) = LOYAL,
        CELL(345) = LOYAL, CELL(344) = LOYAL, CELL(335) = LOYAL,
        CELL(553) = POTENTIAL_LOYALIST, CELL(551) = POTENTIAL_LOYALIST, CELL(552) = POTENTIAL_LOYALIST,
        CELL(541) = POTENTIAL_LOYALIST, CELL(542) = POTENTIAL_LOYALIST, CELL(533) = POTENTIAL_LOYALIST,
        CELL(532) = POTENTIAL_LOYALIST, CELL(531) = POTENTIAL_LOYALIST, CELL(452) = POTENTIAL_LOYALIST,
        CELL(451) = POTENTIAL_LOYALIST, CELL(442) = POTENTIAL_LOYALIST, CELL(441) = POTENTIAL_LOYALIST,
        CELL(431) = POTENTIAL_LOYALIST, CELL(453) = POTENTIAL_LOYALIST, CELL(433) = POTENTIAL_LOYALIST,
        CELL(432) = POTENTIAL_LOYALIST, CELL(423) = POTENTIAL_LOYALIST, CELL(353) = POTENTIAL_LOYALIST,
        CELL(352) = POTENTIAL_LOYALIST, CELL(351) = POTENTIAL_LOYALIST, CELL(342) = POTENTIAL_LOYALIST,
        CELL(341) = POTENTIAL_LOYALIST, CELL(333) = POTENTIAL_LOYALIST, CELL(323) = POTENTIAL_LOYALIST,
        CELL(512) = NEW, CELL(511) = NEW, CELL(422) = NEW, CELL(421) = NEW, CELL(412) = NEW, CELL(411) = NEW,
        CELL(311) = NEW,
        CELL(525) = PROMISING, CELL(524) = PROMISING, CELL(523) = PROMISING, CELL(522) = PROMISING,
        CELL(521) = PROMISING, CELL(515) = PROMISING, CELL(514) = PROMISING, CELL(513) = PROMISING,
        CELL(425) = PROMISING, CELL(424) = PROMISING, CELL(413) = PROMISING, CELL(414) = PROMISING,
        CELL(415) = PROMISING, CELL(315) = PROMISING, CELL(314) = PROMISING, CELL(313) = PROMISING,
        CELL(535) = NEED_ATTENTION, CELL(534) = NEED_ATTENTION, CELL(443) = NEED_ATTENTION,
        CELL(434) = NEED_ATTENTION, CELL(343) = NEED_ATTENTION, CELL(334) = NEED_ATTENTION,
        CELL(325) = NEED_ATTENTION, CELL(324) = NEED_ATTENTION,
        CELL(331) = ABOUT_TO_SLEEP, CELL(321) = ABOUT_TO_SLEEP, CELL(312) = ABOUT_TO_SLEEP,
        CELL(221) = ABOUT_TO_SLEEP, CELL(213) = ABOUT_TO_SLEEP, CELL(231) = ABOUT_TO_SLEEP,
        CELL(241) = ABOUT_TO_SLEEP, CELL(251) = ABOUT_TO_SLEEP,
        CELL(255) = AT_RISK, CELL(254) = AT_RISK, CELL(245) = AT_RISK, CELL(244) = AT_RISK, CELL(253) = AT_RISK,
        CELL(252) = AT_RISK, CELL(243) = AT_RISK, CELL(242) = AT_RISK, CELL(235) = AT_RISK, CELL(234) = AT_RISK,
        CELL(225) = AT_RISK, CELL(224) = AT_RISK, CELL(153) = AT_RISK, CELL(152) = AT_RISK, CELL(145) = AT_RISK,
        CELL(143) = AT_RISK, CELL(142) = AT_RISK, CELL(135) = AT_RISK, CELL(134) = AT_RISK, CELL(133) = AT_RISK,
        CELL(125) = AT_RISK, CELL(124) = AT_RISK,
        CELL(155) = CANNOT_LOSE, CELL(154) = CANNOT_LOSE, CELL(144) = CANNOT_LOSE, CELL(214) = CANNOT_LOSE,
        CELL(215) = CANNOT_LOSE, CELL(115) = CANNOT_LOSE, CELL(114) = CANNOT_LOSE, CELL(113) = CANNOT_LOSE,
        CELL(332) = HIBERNATING, CELL(322) = HIBERNATING, CELL(233) = HIBERNATING, CELL(232) = HIBERNATING,
        CELL(223) = HIBERNATING, CELL(222) = HIBERNATING, CELL(132) = HIBERNATING, CELL(123) = HIBERNATING,
        CELL(122) = HIBERNATING, CELL(212) = HIBERNATING, CELL(211) = HIBERNATING,
        CELL(111) = LOST, CELL(112) = LOST, CELL(121) = LOST, CELL(131) = LOST, CELL(141) = LOST, CELL(151) = LOST,
    },
    /* clang-format on */
};

const struct pat_rfm_map *pat_rfm_map_builtin(void) {
    return &builtin;
}

const char *const pat_rfm_mean_names[8] = {
    "general_win_back", "important_win_back", "general_keep",  "important_keep",
    "general_develop",  "important_develop",  "general_value", "important_value",
};

void pat_rfm_map_begin(struct pat_rfm_map *map, const char *name) {
    memset(map, 0, sizeof *map);
    (void)snprintf(map->name, sizeof map->name, "%s", name);
    memset(map->of_cell, GROUP_NONE, sizeof map->of_cell);
}

static enum pat_status map_add_group(struct pat_rfm_map *map, const char *group, struct pat_error *error) {
    if (!pat_slug_valid(group)) {
        char shown[PAT_MAP_NAME_BYTES_MAX + 4];
        return pat_error_set_at(
            error, PAT_ERR_BAD_REQUEST, "groups", -1, -1,
            "\"%s\" is no group name: a to z first, then a to z, 0 to 9 and _, at most %u characters",
            pat_text_printable(pat_text_of(group), shown, sizeof shown), PAT_MAP_NAME_BYTES_MAX);
    }
    for (unsigned i = 0; i < map->groups; i++) {
        if (strcmp(map->group[i], group) == 0) {
            return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, group, -1, -1, "group \"%s\" is given twice", group);
        }
    }
    if (map->groups == PAT_RFM_GROUPS_MAX) {
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, group, -1, -1, "a map has at most %u groups",
                                PAT_RFM_GROUPS_MAX);
    }
    (void)snprintf(map->group[map->groups++], sizeof map->group[0], "%s", group);
    return PAT_OK;
}

static bool cell_from_digits(int digits, unsigned *cell) {
    if (digits < 111 || digits > 555) return false;
    const unsigned r = (unsigned)digits / 100, f = (unsigned)digits / 10 % 10, m = (unsigned)digits % 10;
    if (f < 1 || f > 5 || m < 1 || m > 5) return false;
    *cell = pat_rfm_cell(r, f, m);
    return true;
}

enum pat_status pat_rfm_map_add(struct pat_rfm_map *map, const char *group, const int *cells, unsigned count,
                                struct pat_error *error) {
    PAT_TRY(map_add_group(map, group, error));
    if (count == 0) {
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, group, -1, -1, "group \"%s\" has no cells", group);
    }
    const uint8_t number = (uint8_t)(map->groups - 1);
    for (unsigned i = 0; i < count; i++) {
        unsigned cell;
        if (!cell_from_digits(cells[i], &cell)) {
            return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, group, -1, -1,
                                    "%d is no cell: three digits 1 to 5, for example 543", cells[i]);
        }
        if (map->of_cell[cell] != GROUP_NONE) {
            return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, group, -1, -1, "cell %d is in \"%s\" and in \"%s\"",
                                    cells[i], map->group[map->of_cell[cell]], group);
        }
        map->of_cell[cell] = number;
    }
    return PAT_OK;
}

enum pat_status pat_rfm_map_finish(struct pat_rfm_map *map, struct pat_error *error) {
    /* Room for all 125: " 555" each. */
    char holes[PAT_RFM_CELLS * 4 + 1] = "";
    size_t length = 0;
    unsigned count = 0;
    for (unsigned cell = 0; cell < PAT_RFM_CELLS; cell++) {
        if (map->of_cell[cell] != GROUP_NONE) continue;
        count++;
        length += (size_t)snprintf(holes + length, sizeof holes - length, " %u%u%u", cell / 25 + 1, cell / 5 % 5 + 1,
                                   cell % 5 + 1);
    }
    if (count == 0) return PAT_OK;
    return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "groups", -1, -1, "%u of the 125 cells have no group:%s", count,
                            holes);
}

int pat_slug_valid(const char *name) {
    size_t length = 0;
    for (; name[length] != '\0'; length++) {
        const char c = name[length];
        const bool letter = c >= 'a' && c <= 'z';
        const bool rest = (c >= '0' && c <= '9') || c == '_';
        if (!letter && (length == 0 || !rest)) return 0;
    }
    return length > 0 && length <= PAT_MAP_NAME_BYTES_MAX;
}

/* What things are called. */
#include "generate_world.h"

#include "base/text.h"

#include <string.h>

const char *const pat_gen_currency_codes[PAT_GEN_CURRENCIES] = {"USD", "EUR", "GBP", "JPY", "KWD", "CNY",
                                                                "KRW", "BRL", "CAD", "AUD", "MXN", "INR"};

/* Seasons: 0 west, 1 east, 2 elsewhere. Payments: places in the list below. */
/* clang-format off */
const struct pat_gen_country pat_gen_countries[PAT_GEN_COUNTRIES] = {
    {"US", "en", {"California", "Texas", "New York", "Florida"}, "USD", 180, -360, 0, 7, 0},
    {"GB", "en", {"London", "Manchester", "Birmingham", "Leeds"}, "GBP", 90, 0, 0, 20, 0},
    {"DE", "de", {"Berlin", "Hamburg", "Bayern", "Hessen"}, "EUR", 80, 60, 0, 19, 1},
    {"JP", "ja", {"Tokyo", "Osaka", "Kyoto", "Hokkaido"}, "JPY", 60, 540, 1, 10, 0},
    {"CN", "zh", {"Guangdong", "Zhejiang", "Jiangsu", "Shanghai"}, "CNY", 90, 480, 1, 13, 2},
    {"FR", "fr", {"Paris", "Lyon", "Marseille", "Lille"}, "EUR", 60, 60, 0, 20, 0},
    {"KW", "ar", {"Kuwait City", "Hawalli", "Ahmadi", "Farwaniya"}, "KWD", 12, 180, 2, 0, 6},
    {"BR", "pt", {"Sao Paulo", "Rio de Janeiro", "Bahia", "Parana"}, "BRL", 55, -180, 0, 17, 5},
    {"CA", "en", {"Ontario", "Quebec", "British Columbia", "Alberta"}, "CAD", 35, -300, 0, 13, 0},
    {"AU", "en", {"New South Wales", "Victoria", "Queensland", "Perth"}, "AUD", 35, 600, 0, 10, 1},
    {"KR", "ko", {"Seoul", "Busan", "Incheon", "Daegu"}, "KRW", 35, 540, 1, 10, 0},
    {"MX", "es", {"Mexico City", "Jalisco", "Nuevo Leon", "Puebla"}, "MXN", 35, -360, 0, 16, 5},
    {"IN", "en", {"Maharashtra", "Karnataka", "Delhi", "Tamil Nadu"}, "INR", 40, 330, 2, 18, 6},
    {"IT", "it", {"Milano", "Roma", "Torino", "Napoli"}, "EUR", 40, 60, 0, 22, 1},
    {"ES", "es", {"Madrid", "Barcelona", "Valencia", "Sevilla"}, "EUR", 40, 60, 0, 21, 0},
    {"NL", "nl", {"Amsterdam", "Rotterdam", "Utrecht", "Eindhoven"}, "EUR", 25, 60, 0, 21, 1},
    {"BE", "nl", {"Brussel", "Antwerpen", "Gent", "Liege"}, "EUR", 14, 60, 0, 21, 0},
    {"AT", "de", {"Wien", "Graz", "Linz", "Salzburg"}, "EUR", 14, 60, 0, 20, 1},
    {"IE", "en", {"Dublin", "Cork", "Galway", "Limerick"}, "EUR", 10, 0, 0, 23, 0},
    {"PT", "pt", {"Lisboa", "Porto", "Braga", "Faro"}, "EUR", 12, 0, 0, 23, 0},
    {"FI", "fi", {"Helsinki", "Espoo", "Tampere", "Turku"}, "EUR", 9, 120, 0, 24, 1},
    {"GR", "el", {"Athina", "Thessaloniki", "Patra", "Kriti"}, "EUR", 9, 120, 0, 24, 6},
    {"PL", "pl", {"Warszawa", "Krakow", "Gdansk", "Wroclaw"}, "EUR", 28, 60, 0, 23, 5},
    {"SE", "sv", {"Stockholm", "Goteborg", "Malmo", "Uppsala"}, "EUR", 16, 60, 0, 25, 3},
    {"DK", "da", {"Kobenhavn", "Aarhus", "Odense", "Aalborg"}, "EUR", 11, 60, 0, 25, 0},
    {"NO", "nb", {"Oslo", "Bergen", "Trondheim", "Stavanger"}, "EUR", 11, 60, 0, 25, 3},
    {"CH", "de", {"Zurich", "Geneve", "Basel", "Bern"}, "EUR", 14, 60, 0, 8, 3},
    {"CZ", "cs", {"Praha", "Brno", "Ostrava", "Plzen"}, "EUR", 12, 60, 0, 21, 5},
    {"TR", "tr", {"Istanbul", "Ankara", "Izmir", "Bursa"}, "USD", 20, 180, 2, 20, 0},
    {"SA", "ar", {"Riyadh", "Jeddah", "Dammam", "Mecca"}, "USD", 20, 180, 2, 15, 6},
    {"AE", "ar", {"Dubai", "Abu Dhabi", "Sharjah", "Ajman"}, "USD", 18, 240, 2, 5, 6},
    {"NZ", "en", {"Auckland", "Wellington", "Canterbury", "Otago"}, "AUD", 9, 720, 0, 15, 3},
    {"CL", "es", {"Santiago", "Valparaiso", "Concepcion", "Antofagasta"}, "USD", 12, -240, 0, 19, 5},
    {"CO", "es", {"Bogota", "Medellin", "Cali", "Barranquilla"}, "USD", 12, -300, 0, 19, 5},
    {"AR", "es", {"Buenos Aires", "Cordoba", "Rosario", "Mendoza"}, "USD", 12, -180, 0, 21, 5},
    {"ZA", "en", {"Gauteng", "Western Cape", "KwaZulu-Natal", "Free State"}, "USD", 12, 120, 2, 15, 0},
    {"SG", "en", {"Central", "East", "North", "West"}, "USD", 14, 480, 1, 9, 7},
    {"HK", "zh", {"Hong Kong Island", "Kowloon", "New Territories", "Islands"}, "USD", 12, 480, 1, 0, 7},
    {"TW", "zh", {"Taipei", "Taichung", "Kaohsiung", "Tainan"}, "USD", 14, 480, 1, 5, 0},
    {"TH", "th", {"Bangkok", "Chiang Mai", "Phuket", "Chonburi"}, "USD", 14, 420, 1, 7, 6},
};
/* clang-format on */

static const char *const genders[] = {NULL, "female", "male", "other"};
static const char *const acquisitions[] = {"organic",  "search_ads", "social", "marketplace",
                                           "referral", "affiliate",  "email",  "offline"};
static const char *const tiers[] = {NULL, "basic", "basic", "silver", "silver", "gold", "platinum", "basic"};
static const char *const interests[] = {NULL,           "garden", "garden|home", "home",
                                        "sport|travel", "travel", "books|games", "games|sport"};
static const char *const warehouses[] = {NULL,      "Rotterdam", "Leipzig",   "Memphis",
                                         "Memphis", "Shenzhen",  "Rotterdam", "Sao Paulo"};
static const char *const handlings[] = {NULL, NULL, NULL, NULL, "fragile", "cold|fragile", "cold", "oversize"};
static const char *const sizes[] = {NULL, "S", "M", "M", "L", "L", "XL", "one size"};
static const char *const materials[] = {NULL, "cotton", "cotton|wool", "wool", "linen", "steel", "oak|steel", "glass"};
static const char *const credits[] = {NULL, "A", "B", "C", "D"};
static const char *const entities[] = {"person", "company"};
static const char *const consents[] = {NULL,   "email", "email|sms",       "email|push", "email|sms|push",
                                       "push", "sms",   "email|phone|post"};
static const char *const tags[] = {NULL, "vip", "wholesale", "newsletter", "newsletter|vip", "staff"};
static const char *const channels[] = {"web", "app", "amazon", "aliexpress", "ebay", "tiktok_shop", "phone", "store"};
static const char *const payments[] = {"card",       "paypal",        "alipay", "invoice",
                                       "wechat_pay", "bank_transfer", "cash",   "wallet"};
static const char *const promotions[] = {NULL,      "double-11",  "double-12", "black-friday", "christmas",
                                         "welcome", "newsletter", "bundle",    "clearance"};
static const char *const kinds[] = {"return", "allowance", "chargeback"};
static const char *const reasons[] = {"wrong size", "damaged", "not as described", "too late", "changed mind", "lost"};
static const char *const categories[PAT_GEN_LEAVES] = {"baby/strollers/buggies",
                                                       "baby/strollers/travel systems",
                                                       "baby/care/bottles",
                                                       "baby/care/diapers",
                                                       "baby/toys",
                                                       "fashion/women/dresses",
                                                       "fashion/women/shoes",
                                                       "fashion/women/bags",
                                                       "fashion/men/shirts",
                                                       "fashion/men/shoes",
                                                       "fashion/kids",
                                                       "fashion/sportswear",
                                                       "electronics/phones/cases",
                                                       "electronics/phones/chargers",
                                                       "electronics/phones/handsets",
                                                       "electronics/audio/headphones",
                                                       "electronics/audio/speakers",
                                                       "electronics/computers/laptops",
                                                       "electronics/computers/accessories",
                                                       "electronics/cameras",
                                                       "home/kitchen/cookware",
                                                       "home/kitchen/appliances",
                                                       "home/kitchen/tableware",
                                                       "home/furniture/chairs",
                                                       "home/furniture/tables",
                                                       "home/textiles",
                                                       "home/lighting",
                                                       "garden/tools",
                                                       "garden/plants",
                                                       "garden/furniture",
                                                       "beauty/skin",
                                                       "beauty/hair",
                                                       "beauty/perfume",
                                                       "sport/cycling",
                                                       "sport/running",
                                                       "sport/camping",
                                                       "pets/dogs",
                                                       "pets/cats",
                                                       "books/fiction",
                                                       "books/children"};

#define LIST(names)                                                                                                    \
    { names, sizeof(names) / sizeof(names)[0] }
static const struct {
    const char *const *name;
    unsigned count;
} lists[PAT_GEN_LISTS] = {
    [PAT_GEN_LIST_GENDER] = LIST(genders),
    [PAT_GEN_LIST_ACQUISITION] = LIST(acquisitions),
    [PAT_GEN_LIST_CREDIT] = LIST(credits),
    [PAT_GEN_LIST_ENTITY] = LIST(entities),
    [PAT_GEN_LIST_CONSENT] = LIST(consents),
    [PAT_GEN_LIST_TAGS] = LIST(tags),
    [PAT_GEN_LIST_CHANNEL] = LIST(channels),
    [PAT_GEN_LIST_PAYMENT] = LIST(payments),
    [PAT_GEN_LIST_PROMOTION] = LIST(promotions),
    [PAT_GEN_LIST_KIND] = LIST(kinds),
    [PAT_GEN_LIST_REASON] = LIST(reasons),
    [PAT_GEN_LIST_CATEGORY] = LIST(categories),
    [PAT_GEN_LIST_TIER] = LIST(tiers),
    [PAT_GEN_LIST_INTERESTS] = LIST(interests),
    [PAT_GEN_LIST_WAREHOUSE] = LIST(warehouses),
    [PAT_GEN_LIST_HANDLING] = LIST(handlings),
    [PAT_GEN_LIST_SIZE] = LIST(sizes),
    [PAT_GEN_LIST_MATERIALS] = LIST(materials),
    [PAT_GEN_LIST_CURRENCY] = LIST(pat_gen_currency_codes),
};

static bool list_alloc(struct pat_gen_world *world, enum pat_gen_list list, unsigned count) {
    world->names[list] = count;
    world->text[list] = pat_arena_array(world->arena, count, sizeof *world->text[list]);
    world->dict[list] = pat_arena_array(world->arena, count, sizeof *world->dict[list]);
    return world->text[list] != NULL && world->dict[list] != NULL;
}

static void list_set(struct pat_gen_world *world, enum pat_gen_list list, unsigned place, struct pat_text text) {
    world->text[list][place] = text;
    world->dict[list][place] = text.length > 0 ? pat_value_text(text) : pat_value_nil();
}

static bool countries_init(struct pat_gen_world *world) {
    if (!list_alloc(world, PAT_GEN_LIST_COUNTRY, PAT_GEN_COUNTRIES) ||
        !list_alloc(world, PAT_GEN_LIST_LANGUAGE, PAT_GEN_COUNTRIES) ||
        !list_alloc(world, PAT_GEN_LIST_REGION, PAT_GEN_COUNTRIES * PAT_GEN_REGIONS)) {
        return false;
    }
    for (unsigned c = 0; c < PAT_GEN_COUNTRIES; c++) {
        list_set(world, PAT_GEN_LIST_COUNTRY, c, pat_text_of(pat_gen_countries[c].code));
        list_set(world, PAT_GEN_LIST_LANGUAGE, c, pat_text_of(pat_gen_countries[c].language));
        for (unsigned r = 0; r < PAT_GEN_REGIONS; r++) {
            list_set(world, PAT_GEN_LIST_REGION, c * PAT_GEN_REGIONS + r, pat_text_of(pat_gen_countries[c].region[r]));
        }
    }
    return true;
}

static bool products_init(struct pat_gen_world *world) {
    if (!list_alloc(world, PAT_GEN_LIST_PRODUCT, PAT_GEN_PRODUCTS)) return false;
    for (unsigned p = 0; p < PAT_GEN_PRODUCTS; p++) {
        const struct pat_text text = pat_arena_printf(world->arena, "P%04u", p);
        if (text.data == NULL) return false;
        list_set(world, PAT_GEN_LIST_PRODUCT, p, text);
    }
    return true;
}

bool pat_gen_names_init(struct pat_gen_world *world) {
    for (int list = 0; list < PAT_GEN_LISTS; list++) {
        if (lists[list].count == 0) continue;
        if (!list_alloc(world, (enum pat_gen_list)list, lists[list].count)) return false;
        for (unsigned i = 0; i < lists[list].count; i++) {
            list_set(world, (enum pat_gen_list)list, i, pat_text_of(lists[list].name[i]));
        }
    }
    /* The shop's own currencies, the base first. */
    for (unsigned c = 0; c < world->plan->currencies; c++) {
        list_set(world, PAT_GEN_LIST_CURRENCY, c, pat_text_of(world->currency[c].code));
    }
    return countries_init(world) && products_init(world);
}

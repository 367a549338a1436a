/* Fits of lifetime value. Lists and fits never change once a view may see them: a change makes a new list. */
#include "store/store.h"

#include "base/mem.h"
#include "store/store_private.h"

static void *writable(const struct pat_clv_fit *fit) {
    return (void *)(uintptr_t)fit;
}

static struct pat_clv_fit *copy_fit(const struct pat_clv_fit *fit) {
    struct pat_clv_fit *copy = pat_mem_alloc_must(PAT_MEM_OTHER, sizeof *copy);
    *copy = *fit;
    return copy;
}

/* A list that may be changed; the old one stays for the views that have it. */
static void renew(struct pat_store *store) {
    struct pat_fits *fits = pat_mem_alloc_must(PAT_MEM_OTHER, sizeof *fits);
    *fits = *store->fits;
    pat_pins_retire(&store->pins, PAT_MEM_OTHER, store->fits);
    store->fits = fits;
}

static void set_used(struct pat_store *store, const struct pat_clv_fit *fit) {
    if (store->fits->used != NULL) pat_pins_retire(&store->pins, PAT_MEM_OTHER, writable(store->fits->used));
    store->fits->used = fit != NULL ? copy_fit(fit) : NULL;
}

static uint32_t place_of(const struct pat_fits *fits, struct pat_text name) {
    uint32_t at = 0;
    while (at < fits->count && !pat_text_is(name, fits->fit[at]->name)) at++;
    return at;
}

enum pat_status pat_store_save_fit(struct pat_store *store, const struct pat_clv_fit *fit, enum pat_clv_adopt adopt,
                                   struct pat_error *error) {
    const uint32_t at = place_of(store->fits, pat_text_of(fit->name));
    if (at == PAT_FITS_MAX) {
        return pat_error_set(error, PAT_ERR_TOO_LARGE, "there are %u fits already; use one of their names",
                             PAT_FITS_MAX);
    }
    renew(store);
    struct pat_fits *fits = store->fits;
    if (at < fits->count) pat_pins_retire(&store->pins, PAT_MEM_OTHER, writable(fits->fit[at]));
    if (at == fits->count) fits->count++;
    fits->fit[at] = copy_fit(fit);
    if (adopt == PAT_CLV_ADOPT_YES || (adopt == PAT_CLV_ADOPT_FIRST && fits->used == NULL)) set_used(store, fit);
    return PAT_OK;
}

enum pat_status pat_fits_find(const struct pat_fits *fits, struct pat_text name, const struct pat_clv_fit **out,
                              struct pat_error *error) {
    const uint32_t at = place_of(fits, name);
    if (at < fits->count) {
        *out = fits->fit[at];
        return PAT_OK;
    }
    if (fits->count == 0) return pat_error_set(error, PAT_ERR_NO_FIT, "there is no fit yet: clv.fit makes one");
    const char *names[PAT_FITS_MAX];
    char shown[PAT_FIT_NAME_BYTES_MAX + 4];
    for (uint32_t i = 0; i < fits->count; i++) names[i] = fits->fit[i]->name;
    const int nearest = pat_text_nearest(name, names, fits->count);
    (void)pat_text_printable(name, shown, sizeof shown);
    return pat_error_set_at(error, PAT_ERR_NOT_FOUND, "fit", -1, -1, "no fit called \"%s\"%s%s%s", shown,
                            nearest >= 0 ? ", did you mean \"" : ": clv.fits lists them",
                            nearest >= 0 ? names[nearest] : "", nearest >= 0 ? "\"?" : "");
}

enum pat_status pat_store_use_fit(struct pat_store *store, struct pat_text name, const struct pat_clv_use *use,
                                  struct pat_error *error) {
    const struct pat_clv_fit *fit;
    PAT_TRY(pat_fits_find(store->fits, name, &fit, error));
    pat_store_restore_use(store, fit, use);
    return PAT_OK;
}

void pat_store_restore_use(struct pat_store *store, const struct pat_clv_fit *used, const struct pat_clv_use *use) {
    renew(store);
    set_used(store, used);
    store->fits->use = *use;
}

void pat_store__free_fits(struct pat_store *store) {
    struct pat_fits *fits = store->fits;
    for (uint32_t i = 0; i < fits->count; i++) pat_mem_free(PAT_MEM_OTHER, writable(fits->fit[i]));
    if (fits->used != NULL) pat_mem_free(PAT_MEM_OTHER, writable(fits->used));
    pat_mem_free(PAT_MEM_OTHER, fits);
}

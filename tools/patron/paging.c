/* `patron rows --all`: page after page of one version. CSV goes out as it comes; a table and a JSON document are whole
 * before they are printed. */
#include "cli.h"
#include "render.h"

#include "model/limits.h"
#include "model/request.h"

/* A number of pages that ends, should a server never say that it is done. */
#define PAGES_MAX 10000000u

struct pages {
    const struct pat_cli *cli;
    struct pat_client *client;
    struct pat_builder *builder; /* of the parameters, and of what is kept of the answers */
    struct pat_value *params;
    struct pat_value whole; /* the first answer, with the rows of all; nil before it */
    struct pat_value rows;
};

static enum pat_exit ask_page(struct pages *pages, const struct pat_text *cursor, struct pat_arena *arena,
                              struct pat_value *answer) {
    struct pat_error error = {0};
    struct pat_client_fault fault;
    bool failed = false;
    struct pat_builder builder = {.arena = arena};
    struct pat_value params = pat_build_copy(&builder, pages->params);
    if (cursor->length > 0) pat_build_put(&builder, &params, "cursor", pat_value_text(*cursor));
    if (builder.failed) {
        (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory for the question");
        return pat_cli_fail(&error);
    }
    if (pat_client_call(pages->client, "rows", &params, arena, answer, &failed, &fault, &error) != PAT_OK) {
        return pat_cli_fail(&error);
    }
    return failed ? pat_cli_refused(&fault) : PAT_EXIT_OK;
}

/* Keeps the rows of a page for the end. */
static void keep_page(struct pages *pages, const struct pat_value *answer) {
    struct pat_builder *builder = pages->builder;
    const struct pat_value *rows = pat_value_get(answer, "rows");
    if (pages->whole.type == PAT_VALUE_NIL) {
        pages->whole = pat_build_copy(builder, answer);
        pages->rows = pat_build_array(builder, 64);
    }
    for (uint32_t i = 0; rows != NULL && rows->type == PAT_VALUE_ARRAY && i < rows->count; i++) {
        pat_build_push(builder, &pages->rows, pat_build_copy(builder, &rows->as.items[i]));
    }
}

/* The whole answer has all rows, and no cursor. */
static struct pat_value join_pages(struct pages *pages) {
    struct pat_value answer = pat_build_map(pages->builder, pages->whole.count);
    for (uint32_t i = 0; i < pages->whole.count; i++) {
        const struct pat_member *member = &pages->whole.as.members[i];
        if (pat_text_is(member->key, "cursor")) continue;
        pat_build_put_text_key(pages->builder, &answer, member->key,
                               pat_text_is(member->key, "rows") ? pages->rows : member->value);
    }
    return answer;
}

static enum pat_exit take_page(struct pages *pages, bool first, struct pat_arena *arena,
                               const struct pat_value *answer) {
    if (pages->cli->format == PAT_FORMAT_CSV) {
        const struct pat_value *cursor = pat_value_get(answer, "cursor");
        const bool last = cursor == NULL || cursor->type != PAT_VALUE_TEXT; /* says once what holds of all pages */
        const enum pat_exit code = pat_render_page(pages->cli, arena, answer, first);
        if (last) pat_render_notes(answer);
        return code;
    }
    keep_page(pages, answer);
    return PAT_EXIT_OK;
}

static enum pat_exit read_pages(struct pages *pages) {
    char kept[PAT_CURSOR_TEXT_BYTES];
    struct pat_text cursor = {kept, 0};
    for (unsigned page = 0; page < PAGES_MAX; page++) {
        struct pat_arena arena;
        struct pat_value answer;
        pat_arena_init(&arena, 0);
        enum pat_exit code = ask_page(pages, &cursor, &arena, &answer);
        if (code == PAT_EXIT_OK && answer.type == PAT_VALUE_MAP) code = take_page(pages, page == 0, &arena, &answer);
        const struct pat_value *next =
            code == PAT_EXIT_OK && answer.type == PAT_VALUE_MAP ? pat_value_get(&answer, "cursor") : NULL;
        const bool more = next != NULL && next->type == PAT_VALUE_TEXT && next->count < sizeof kept;
        cursor.length = 0;
        for (uint32_t i = 0; more && i < next->count; i++) kept[cursor.length++] = next->as.text[i];
        pat_arena_deinit(&arena);
        if (code != PAT_EXIT_OK || !more) return code;
    }
    return PAT_EXIT_OK;
}

enum pat_exit pat_cli_rows_all(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params) {
    struct pages pages = {.cli = cli, .builder = builder, .params = params, .whole = pat_value_nil()};
    struct pat_error error = {0};
    pat_build_put(builder, params, "limit", pat_value_int(PAT_ROWS_LIMIT_MAX));
    if (pat_cli_connect(cli, &pages.client, &error) != PAT_OK) return pat_cli_fail(&error);
    enum pat_exit code = read_pages(&pages);
    pat_client_close(&pages.client);
    if (code != PAT_EXIT_OK || cli->format == PAT_FORMAT_CSV) return code;
    const struct pat_value answer = join_pages(&pages);
    if (builder->failed) {
        (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory for all rows at once: --format csv needs none");
        return pat_cli_fail(&error);
    }
    return pat_render_answer(cli, builder->arena, &answer);
}

#include "model/filter_private.h"

#include <string.h>
#include <strings.h>

static const char *const keywords[] = {"AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "HAS", "TRUE", "FALSE"};
#define KEYWORD_COUNT (sizeof keywords / sizeof keywords[0])
_Static_assert(PAT_TOKEN_AND + KEYWORD_COUNT - 1 == PAT_TOKEN_FALSE, "keywords and their tokens in one order");

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool is_word_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_word(char c) {
    return is_word_start(c) || is_digit(c);
}

/* Place of a keyword in the list, or -1. */
static int keyword_find(struct pat_text text) {
    for (size_t i = 0; i < KEYWORD_COUNT; i++) {
        if (strlen(keywords[i]) == text.length && strncasecmp(keywords[i], text.data, text.length) == 0) return (int)i;
    }
    return -1;
}

bool pat_filter__is_keyword(struct pat_text text) {
    return keyword_find(text) >= 0;
}

/* Length of the dotted identifier that starts at `at`; a dot counts only with a word behind it. */
static size_t word_length(struct pat_text text, size_t at) {
    size_t end = at;
    while (end < text.length && is_word(text.data[end])) {
        do end++;
        while (end < text.length && is_word(text.data[end]));
        if (end + 1 < text.length && text.data[end] == '.' && is_word_start(text.data[end + 1])) end++;
    }
    return end - at;
}

bool pat_filter__is_name(struct pat_text text) {
    return text.length > 0 && is_word_start(text.data[0]) && word_length(text, 0) == text.length &&
           !pat_filter__is_keyword(text);
}

/* The character at `at`, or NUL behind the end. */
static char peek(const struct pat_lexer *lexer, size_t ahead) {
    size_t at = lexer->at + ahead;
    return at < lexer->text.length ? lexer->text.data[at] : '\0';
}

static void skip_blanks(struct pat_lexer *lexer) {
    while (lexer->at < lexer->text.length) {
        char c = peek(lexer, 0);
        if (c == '-' && peek(lexer, 1) == '-') {
            while (lexer->at < lexer->text.length && peek(lexer, 0) != '\n') lexer->at++;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            lexer->at++;
        } else {
            return;
        }
    }
}

static void take(struct pat_lexer *lexer, struct pat_token *token, enum pat_token_kind kind, size_t length) {
    token->kind = kind;
    token->raw = (struct pat_text){lexer->text.data + lexer->at, length};
    lexer->at += length;
}

static void lex_word(struct pat_lexer *lexer, struct pat_token *token) {
    take(lexer, token, PAT_TOKEN_WORD, word_length(lexer->text, lexer->at));
    token->text = token->raw;
    int keyword = keyword_find(token->raw);
    if (keyword >= 0) token->kind = (enum pat_token_kind)(PAT_TOKEN_AND + keyword);
}

/* A quote that opens nothing: most often its partner in front of a word was forgotten (country = BR'). */
static enum pat_status fail_open_quote(const struct pat_lexer *lexer) {
    size_t start = lexer->at;
    while (start > 0 && is_word(lexer->text.data[start - 1])) start--;
    if (start == lexer->at) {
        return pat_filter__fail_at(lexer->maker, (int32_t)lexer->at,
                                   "this quote opens a text that is never closed: expected another '");
    }
    char word[PAT_DESCRIBE_BYTES];
    struct pat_text before = {lexer->text.data + start, lexer->at - start};
    return pat_filter__fail_at(lexer->maker, (int32_t)lexer->at, "a quote without a partner, did you mean '%s'?",
                               pat_text_printable(before, word, sizeof word));
}

static enum pat_status lex_text(struct pat_lexer *lexer, struct pat_token *token) {
    const char *data = lexer->text.data;
    size_t end = lexer->at + 1, doubled = 0;
    for (;; end++) {
        if (end >= lexer->text.length) return fail_open_quote(lexer);
        if (data[end] != '\'') continue;
        if (end + 1 >= lexer->text.length || data[end + 1] != '\'') break;
        doubled++;
        end++;
    }
    size_t inner = end - lexer->at - 1;
    take(lexer, token, PAT_TOKEN_TEXT, inner + 2);
    token->text = (struct pat_text){token->raw.data + 1, inner};
    if (doubled == 0) return PAT_OK;
    char *copy = pat_arena_alloc(lexer->maker->arena, inner);
    if (copy == NULL) return pat_filter__no_memory(lexer->maker);
    size_t length = 0;
    for (size_t i = 0; i < inner; i++) {
        copy[length++] = token->text.data[i];
        if (token->text.data[i] == '\'') i++;
    }
    token->text = (struct pat_text){copy, length};
    return PAT_OK;
}

static void lex_number(struct pat_lexer *lexer, struct pat_token *token) {
    size_t n = 0;
    if (peek(lexer, n) == '-' || peek(lexer, n) == '+') n++;
    while (is_digit(peek(lexer, n))) n++;
    if (peek(lexer, n) == '.') n++;
    while (is_digit(peek(lexer, n))) n++;
    if (peek(lexer, n) == 'e' || peek(lexer, n) == 'E') {
        size_t digits = n + (peek(lexer, n + 1) == '-' || peek(lexer, n + 1) == '+' ? 2 : 1);
        if (is_digit(peek(lexer, digits))) n = digits;
        while (is_digit(peek(lexer, n))) n++;
    }
    size_t suffix = 0;
    while (is_word(peek(lexer, n + suffix)) || peek(lexer, n + suffix) == '.') suffix++;
    take(lexer, token, PAT_TOKEN_NUMBER, n + suffix);
    token->number = (struct pat_text){token->raw.data, n};
    token->text = (struct pat_text){token->raw.data + n, suffix};
}

static enum pat_status lex_arg(struct pat_lexer *lexer, struct pat_token *token) {
    size_t length = is_word_start(peek(lexer, 1)) ? word_length(lexer->text, lexer->at + 1) : 0;
    if (length == 0) {
        return pat_filter__fail_at(lexer->maker, (int32_t)lexer->at,
                                   "expected a name right after \":\", as in :country");
    }
    take(lexer, token, PAT_TOKEN_ARG, length + 1);
    token->text = (struct pat_text){token->raw.data + 1, length};
    return PAT_OK;
}

/* What people write who come from other languages, and what it is called here. */
static const struct habit {
    const char *written, *hint;
} habits[] = {
    {"==", "expected \"=\", found \"==\": equality is written with one \"=\""},
    {"&&", "expected AND, found \"&&\""},
    {"||", "expected OR, found \"||\""},
    {"!", "unexpected \"!\": write NOT in front of a condition, or <> for \"not equal\""},
    {"\"", "unexpected double quote: texts are written in single quotes, 'BR'; field names without any"},
    {"=>", "expected \">=\", found \"=>\""},
    {"=<", "expected \"<=\", found \"=<\""},
};

static enum pat_status fail_character(const struct pat_lexer *lexer) {
    struct pat_text rest = {lexer->text.data + lexer->at, 1};
    while (lexer->at + rest.length < lexer->text.length && ((unsigned char)rest.data[rest.length] & 0xC0) == 0x80) {
        rest.length++;
    }
    char shown[PAT_DESCRIBE_BYTES];
    return pat_filter__fail_at(lexer->maker, (int32_t)lexer->at, "unexpected character \"%s\"",
                               pat_text_printable(rest, shown, sizeof shown));
}

static const struct symbol {
    const char *written;
    enum pat_token_kind kind;
} symbols[] = {
    /* longer ones first */
    {"<=", PAT_TOKEN_LE}, {">=", PAT_TOKEN_GE}, {"<>", PAT_TOKEN_NE},  {"!=", PAT_TOKEN_NE},   {"=", PAT_TOKEN_EQ},
    {"<", PAT_TOKEN_LT},  {">", PAT_TOKEN_GT},  {"(", PAT_TOKEN_OPEN}, {")", PAT_TOKEN_CLOSE}, {",", PAT_TOKEN_COMMA},
};

static bool starts_with(const struct pat_lexer *lexer, const char *prefix) {
    size_t length = strlen(prefix);
    return lexer->text.length - lexer->at >= length && memcmp(lexer->text.data + lexer->at, prefix, length) == 0;
}

static enum pat_status lex_symbol(struct pat_lexer *lexer, struct pat_token *token) {
    bool not_equal = starts_with(lexer, "!=");
    for (size_t i = 0; i < sizeof habits / sizeof habits[0] && !not_equal; i++) {
        if (!starts_with(lexer, habits[i].written)) continue;
        return pat_filter__fail_at(lexer->maker, (int32_t)lexer->at, "%s", habits[i].hint);
    }
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        if (!starts_with(lexer, symbols[i].written)) continue;
        take(lexer, token, symbols[i].kind, strlen(symbols[i].written));
        return PAT_OK;
    }
    return fail_character(lexer);
}

enum pat_status pat_filter__lex(struct pat_lexer *lexer, struct pat_token *token) {
    skip_blanks(lexer);
    *token = (struct pat_token){.kind = PAT_TOKEN_END, .offset = (int32_t)lexer->at};
    if (lexer->at >= lexer->text.length) return PAT_OK;
    char c = peek(lexer, 0);
    size_t sign = c == '-' || c == '+' ? 1 : 0;
    size_t digit = sign + (peek(lexer, sign) == '.' ? 1 : 0);
    if (is_digit(peek(lexer, digit))) {
        lex_number(lexer, token);
        return PAT_OK;
    }
    if (is_word_start(c)) {
        lex_word(lexer, token);
        return PAT_OK;
    }
    if (c == '\'') return lex_text(lexer, token);
    if (c == ':') return lex_arg(lexer, token);
    return lex_symbol(lexer, token);
}

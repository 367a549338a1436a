/* Commands on standard input, an answer of one line each:
 *
 *   load TABLE FILE     rows of a CSV file; {"rows": n}
 *   (count ...)         a question
 *
 * usage: naive BASE    with the shop's zone as TZ in the environment
 */
#include "naive.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)fflush(stdout);
    fputs("naive: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *grown(void *memory, size_t items, size_t size) {
    void *const more = realloc(memory, items == 0 ? size : items * size);
    if (more == NULL) die("no memory for %zu times %zu bytes", items, size);
    return more;
}

/* ---- questions as they come ----------------------------------------------------------------------------------------
 */

static struct node nodes[8192];
static size_t nodes_used;

static struct node *new_node(void) {
    if (nodes_used == sizeof nodes / sizeof *nodes) die("a question of too many words");
    nodes[nodes_used] = (struct node){0};
    return &nodes[nodes_used++];
}

/* Words end where a blank or a parenthesis stands; the parenthesis is kept in `*end`, since the word's end takes its
 * place. */
static const struct node *parse_list(char **at, char *end) {
    const struct node *first = NULL, **link = &first;
    for (;;) {
        while (*end == '\0' && **at == ' ') (*at)++;
        const char mark = *end != '\0' ? *end : **at;
        if (mark == '\0') return first;
        if (*end == '\0') (*at)++;
        *end = '\0';
        if (mark == ')') return first;
        struct node *node = new_node();
        *link = node;
        link = &node->next;
        if (mark == '(') {
            node->child = parse_list(at, end);
            continue;
        }
        node->quoted = mark == '"';
        node->word = node->quoted ? *at : *at - 1;
        while (**at != '\0' && (node->quoted ? **at != '"' : strchr(" ()", **at) == NULL)) (*at)++;
        if (**at == '\0') continue;
        if (!node->quoted && **at != ' ') *end = **at;
        *(*at)++ = '\0';
    }
}

const struct node *parse(char *line) {
    char end = '\0';
    nodes_used = 0;
    return parse_list(&line, &end);
}

bool is_word(const struct node *node, const char *word) {
    return node != NULL && node->word != NULL && strcmp(node->word, word) == 0;
}

const struct node *part(const struct node *question, const char *name) {
    for (const struct node *at = question; at != NULL; at = at->next) {
        if (at->word == NULL && is_word(at->child, name)) return at->child->next;
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 2) die("usage: naive BASE");
    shop.base = argv[1];
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char table[16], path[1024];
        if (sscanf(line, "load %15s %1023s", table, path) == 2) {
            printf("{\"rows\":%ld}\n", load_file(table, path));
        } else {
            const struct node *question = parse(line);
            if (question == NULL || question->child == NULL) die("no command: %s", line);
            answer(question->child);
        }
        (void)fflush(stdout);
    }
    free(line);
    return 0;
}

/* Work of the engine's that nobody waits for: a worker with nothing better to do does it. */
#include "net/net_private.h"

static void pause_chore(void *context) {
    pat_workers_pause(context);
}

static void job_chore(struct pat_job *job) {
    struct pat_server *server = PAT_LINK_OF(job, struct pat_server, chore_job);
    pat_chore_run(server->chore, pause_chore, server->workers);
}

void pat_chore__offer(struct pat_server *server) {
    if (server->chore != NULL || server->stop != PAT_STOP_NONE) return;
    server->chore = pat_engine_chore(server->engine);
    if (server->chore == NULL) return;
    server->chore_job = (struct pat_job){.run_cb = job_chore, .background = true};
    pat_workers_submit(server->workers, &server->chore_job);
}

void pat_chore__done(struct pat_server *server) {
    pat_engine_chore_done(server->engine, server->chore);
    server->chore = NULL;
    pat_server__turned(server); /* questions may have waited for an index */
    pat_chore__offer(server);
}

void pat_chore__stop(struct pat_server *server) {
    if (server->chore == NULL) return;
    pat_chore_stop(server->chore);
    (void)pat_workers_withdraw(server->workers, &server->chore_job);
}

void pat_chore__forget(struct pat_server *server) {
    if (server->chore == NULL) return;
    pat_engine_chore_done(server->engine, server->chore);
    server->chore = NULL;
}

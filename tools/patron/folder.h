/* A directory on its way to be a data directory. */
#ifndef PATRON_FOLDER_H
#define PATRON_FOLDER_H

#include "base/fs.h"
#include "base/status.h"
#include "base/text.h"

#include <stdbool.h>

/* PAT_ERR_CONFLICT unless there is nothing of that name, or an empty directory. */
enum pat_status pat_folder_free(const char *path, struct pat_error *error) PAT_MUST_CHECK;
/* Removes files whose names a data directory has; others stay. */
enum pat_status pat_folder_clear(struct pat_fs *fs, struct pat_error *error) PAT_MUST_CHECK;
/* The directory too, when nothing else is in it. Failing is no matter. */
void pat_folder_remove(const char *path);
/* Gives `from` the name `to` (free, see above), for good. */
enum pat_status pat_folder_rename(const char *from, const char *to, struct pat_error *error) PAT_MUST_CHECK;
/* A name that a file of a data directory may have: no path, no surprise. */
bool pat_folder_name_fits(struct pat_text name);

#endif
